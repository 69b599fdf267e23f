// Long arrays of pairs in a JSON file, such as a unigram vocabulary of tokenizer.json.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace easel {

// The array of [string, number] at `key` within the object at `object_key` of the file. Errors name file and
// key; absent is an error.
absl::StatusOr<std::vector<std::pair<std::string, double>>> ReadStringNumberPairs(const std::string& path,
                                                                                  std::string_view object_key,
                                                                                  std::string_view key);

}  // namespace easel
