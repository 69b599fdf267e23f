#include "tests/testing/published_shapes.h"

#include <ATen/ATen.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace easel {
namespace {

const std::string kDirectory = EASEL_SOURCE_DIR "/tests/golden/data/true_configs/";

// Calls use(name) for each name that `folded` stands for: "a.{0-2}.b" for three of them.
template <class Use>
void Unfold(const std::string& folded, Use use) {
  const size_t open = folded.find('{'), dash = folded.find('-', open), close = folded.find('}', open);
  if (open == folded.npos) return use(folded);
  const int first = std::stoi(folded.substr(open + 1)), last = std::stoi(folded.substr(dash + 1));
  for (int i = first; i <= last; ++i) use(absl::StrCat(folded.substr(0, open), i, folded.substr(close + 1)));
}

}  // namespace

Shapes PublishedShapes(const std::string& model) {
  std::ifstream file(kDirectory + model + "/shapes.txt");
  Shapes shapes;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string folded;
    words >> folded;
    std::vector<int64_t> shape;
    for (int64_t size; words >> size;) shape.push_back(size);
    Unfold(folded, [&](const std::string& name) { shapes[name] = shape; });
  }
  if (shapes.empty()) throw std::runtime_error(kDirectory + model + "/shapes.txt: no shapes");
  return shapes;
}

JsonObject PublishedConfig(const std::string& model) {
  auto config = JsonObject::Open(kDirectory + model + "/config.json");
  if (!config.ok()) throw std::runtime_error(config.status().ToString());
  return *std::move(config);
}

at::Tensor ShapeSource::Take(const std::string& name, at::IntArrayRef shape, Init) {
  const auto published = shapes_.find(name);
  if (published == shapes_.end()) {
    faults_.push_back(absl::StrCat("not published: ", name));
  } else if (shape != at::IntArrayRef(published->second)) {
    faults_.push_back(absl::StrCat(name, ": [", absl::StrJoin(shape, ", "), "], published [",
                                   absl::StrJoin(published->second, ", "), "]"));
  }
  taken_.insert(name);
  return at::empty(shape, at::TensorOptions(at::kMeta).dtype(at::kFloat));
}

std::vector<std::string> ShapeSource::Differences() const {
  std::vector<std::string> result = faults_;
  for (const auto& [name, shape] : shapes_) {
    if (!taken_.contains(name)) result.push_back("not asked for: " + name);
  }
  return result;
}

}  // namespace easel
