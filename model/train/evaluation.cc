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

Evaluation Evaluate(const EmojiDataset& dataset, const at::Tensor& pixels, int names, int per_class, int unconditional,
                    const Draw& draw) {
  c10::NoGradGuard no_grad;
  const int64_t count = dataset.pictures().size();
  at::Tensor known = Small(pixels);
  // (requests, count)
  auto distances = [&](const std::vector<at::Tensor>& drawn) { return at::cdist(Small(at::stack(drawn)), known); };

  std::vector<int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(kNameSeed);
  std::shuffle(order.begin(), order.end(), random);
  order.resize(std::min<int64_t>(names, count));

  Evaluation result;
  std::vector<DrawRequest> name_requests, class_requests, unconditional_requests;
  for (size_t i = 0; i < order.size(); ++i) name_requests.push_back({dataset.pictures()[order[i]].name, std::nullopt, i});
  for (size_t label = 0; label < dataset.class_names().size(); ++label) {
    for (int i = 0; i < per_class; ++i) {
      class_requests.push_back({std::nullopt, static_cast<int64_t>(label), 1000 + label * 100 + i});
    }
  }
  for (int i = 0; i < unconditional; ++i) unconditional_requests.push_back({std::nullopt, std::nullopt, 10000u + i});
  result.names = name_requests.size();
  result.classes = class_requests.size();
  result.unconditional = unconditional;
  double usual = 0;  // distance of a named picture to its nearest
  if (result.names > 0) {
    result.name_pictures = draw(name_requests);
    at::Tensor distance = distances(result.name_pictures);
    usual = at::quantile(std::get<0>(distance.min(1)), 0.95).item<double>();
    at::Tensor found = distance.argsort(int64_t{1});  // nearest first
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
    result.class_pictures = draw(class_requests);
    at::Tensor found = distances(result.class_pictures).argmin(1);
    int right = 0;
    for (int i = 0; i < result.classes; ++i) {
      right += dataset.pictures()[found[i].item<int64_t>()].label == *class_requests[i].class_label;
    }
    result.class_right = static_cast<double>(right) / result.classes;
  }
  if (result.unconditional > 0) {
    result.unconditional_pictures = draw(unconditional_requests);
    const auto [distance, found] = distances(result.unconditional_pictures).min(1);
    result.unconditional_clean = distance.le(usual).to(at::kFloat).mean().item<double>();
    result.unconditional_different = static_cast<int>(std::get<0>(at::_unique(found)).numel());
  }
  return result;
}

}  // namespace easel
