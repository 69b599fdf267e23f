// JSON text to the JSON library's values; private to model/io.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace easel {

// InvalidArgument, naming `path`, for text that is no JSON, repeats a key of an object, or nests deeper than
// 64 levels. NaN, Infinity and -Infinity, which Python writes though JSON has no such thing, are let in; ask
// AsNumber.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, const std::string& path);

// The value of a number, those three included; nothing for other values.
std::optional<double> AsNumber(const nlohmann::json& value);

// The value as JSON text, cut to what fits in an error message.
std::string Excerpt(const nlohmann::json& value);

}  // namespace easel
