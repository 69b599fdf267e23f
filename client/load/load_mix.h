// The kinds of requests that a load is made of.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "easel/v1/image_generation.pb.h"

namespace easel {

struct LoadKind {
  v1::GenerateRequest request = {};            // its seed, when set, is every picture's
  double weight = 1;                           // its share among the others' weights
  std::string tenant = {};                     // empty: that of the connection
  std::optional<double> deadline_factor = {};  // in place of LoadOptions::slo
};

// A mix file: a JSON list of objects with `request` (proto3's JSON, with the proto's field names or camel
// case) and, as they are wanted, `weight`, `tenant` and `deadline_factor`. InvalidArgument naming the entry
// and the key: unknown keys are errors, weights and factors are above 0.
absl::StatusOr<std::vector<LoadKind>> ParseMix(std::string_view json);

// 4, 10, 20 and 50 steps, each with guidance and without, of a prompt and of a class; only what the model
// takes and its limits allow. All of one weight.
std::vector<LoadKind> BuiltInMix(const v1::Model& model);

// For people: `20 steps, guidance 4, prompt`.
std::string KindName(const v1::GenerateRequest& request);

}  // namespace easel
