// How well a model draws what it was asked for: the nearest training picture (mean squared error at 32×32) should be the one
// that was named.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/train/emoji_dataset.h"

namespace easel {

struct DrawRequest {
  std::optional<std::string> prompt;
  std::optional<int64_t> class_label;
  uint64_t seed = 0;
};
// Draws each request with the model's defaults: pixels (3, H, W) in [-1, 1].
using Draw = std::function<std::vector<at::Tensor>(const std::vector<DrawRequest>&)>;

struct Evaluation {
  int names = 0, classes = 0, unconditional = 0;  // requests of each kind
  double name_first = 0;          // share whose nearest picture is the one named
  double name_among_five = 0;
  double class_right = 0;         // share of class requests whose nearest picture is of that class
  // Share of the unconditional pictures that are as near to a training picture as 95 % of the named ones are: what is a blend of
  // several is near to none. And to how many different training pictures they are nearest.
  double unconditional_clean = 0;
  int unconditional_different = 0;
  std::vector<at::Tensor> name_pictures, class_pictures, unconditional_pictures;
};

// `names` names spread over the data set, one picture each; `per_class` pictures of every class; `unconditional` of nothing (needs
// names, to compare with).
Evaluation Evaluate(const EmojiDataset& dataset, const at::Tensor& pixels, int names, int per_class, int unconditional,
                    const Draw& draw);

}  // namespace easel
