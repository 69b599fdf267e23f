#include "model/train/evaluation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace easel {
namespace {

constexpr int kCompareSize = 32;
constexpr uint64_t kNameSeed = 20;  // which names are asked for; the same in every evaluation

at::Tensor Small(const at::Tensor& pixels) {  // (N, 3, H, W) → (N, 3·32·32)
  return at::adaptive_avg_pool2d(pixels.to(at::kCPU, at::kFloat).clamp(-1, 1), {kCompareSize, kCompareSize}).flatten(1);
}

}  // namespace

Evaluation Evaluate(const EmojiDataset& dataset, const at::Tensor& pixels, int names, int per_class, const Draw& draw) {
  c10::NoGradGuard no_grad;
  const int64_t count = dataset.pictures().size();
  at::Tensor known = Small(pixels);
  auto nearest = [&](const std::vector<at::Tensor>& drawn) {  // (requests, count), nearest first
    at::Tensor distance = at::cdist(Small(at::stack(drawn)), known);
    return distance.argsort(int64_t{1});
  };

  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(kNameSeed);
  std::shuffle(order.begin(), order.end(), random);
  order.resize(std::min<int64_t>(names, count));

  Evaluation result;
  for (size_t i = 0; i < order.size(); ++i) {
    result.name_requests.push_back({dataset.pictures()[order[i]].name, std::nullopt, i});
  }
  for (size_t label = 0; label < dataset.class_names().size(); ++label) {
    for (int i = 0; i < per_class; ++i) {
      result.class_requests.push_back({std::nullopt, static_cast<int64_t>(label), 1000 + label * 100 + i});
    }
  }
  result.names = result.name_requests.size();
  result.classes = result.class_requests.size();
  if (result.names > 0) {
    result.name_pictures = draw(result.name_requests);
    at::Tensor found = nearest(result.name_pictures);
    int first = 0, five = 0;
    for (int i = 0; i < result.names; ++i) {
      for (int k = 0; k < 5; ++k) {
        if (found[i][k].item<int64_t>() != order[i]) continue;
        first += k == 0;
        ++five;
      }
    }
    result.name_first = static_cast<double>(first) / result.names;
    result.name_among_five = static_cast<double>(five) / result.names;
  }
  if (result.classes > 0) {
    result.class_pictures = draw(result.class_requests);
    at::Tensor found = nearest(result.class_pictures);
    int right = 0;
    for (int i = 0; i < result.classes; ++i) {
      right += dataset.pictures()[found[i][0].item<int64_t>()].label == *result.class_requests[i].class_label;
    }
    result.class_right = static_cast<double>(right) / result.classes;
  }
  return result;
}

}  // namespace easel
