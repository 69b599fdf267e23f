#include "server/image/parameters.h"

#include <charconv>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace easel {
namespace {

constexpr std::string_view kNegative = "Negative prompt:";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

absl::string_view Absl(std::string_view s) { return {s.data(), s.size()}; }

// `\`* Negative prompt:…
bool LooksNegative(std::string_view line) {
  const size_t start = line.find_first_not_of('\\');
  return start != line.npos && line.substr(start).starts_with(kNegative);
}

std::string WithoutNul(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\0') {
      out += kReplacement;
    } else {
      out += c;
    }
  }
  return out;
}

std::string Quote(std::string_view value) {
  const bool plain = value.find_first_of(",:\"\n\r\\") == value.npos && !value.empty() &&
                     value.front() != ' ' && value.back() != ' ' && value.front() != '\t' &&
                     value.back() != '\t';
  if (plain) return std::string(value);
  return absl::StrCat(
      "\"", absl::StrReplaceAll(Absl(value), {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}, {"\r", "\\r"}}),
      "\"");
}

template <typename Number>
std::string ToText(Number value) {
  char buffer[32];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
}

template <typename Number>
absl::Status FromText(std::string_view key, std::string_view text, std::optional<Number>& value) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameters: ", Absl(key), " is '", Absl(text), "', not a number it can hold"));
  }
  value = number;
  return absl::OkStatus();
}

std::string_view Trim(std::string_view s) {
  const size_t first = s.find_first_not_of(" \t\r");
  return first == s.npos ? std::string_view() : s.substr(first, s.find_last_not_of(" \t\r") - first + 1);
}

// Reads a JSON string's simple escapes; `s` starts behind the opening quote and is moved behind the closing
// one.
std::optional<std::string> TakeQuoted(std::string_view& s) {
  std::string value;
  for (size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '"') {
      s.remove_prefix(i + 1);
      return value;
    }
    if (s[i] != '\\') {
      value += s[i];
    } else if (++i < s.size()) {
      value += s[i] == 'n' ? '\n' : s[i] == 'r' ? '\r' : s[i] == 't' ? '\t' : s[i];
    }
  }
  return std::nullopt;
}

using Settings = std::vector<std::pair<std::string, std::string>>;

// `Key: value, Key: "value"`; nothing when the line is not of that form.
std::optional<Settings> ParseSettings(std::string_view line) {
  Settings settings;
  while (!Trim(line).empty()) {
    const size_t colon = line.find(':');
    const std::string_view key = Trim(line.substr(0, colon));
    if (colon == line.npos || key.empty() || key.find(',') != key.npos) return std::nullopt;
    line.remove_prefix(colon + 1);
    const size_t start = line.find_first_not_of(" \t");
    std::string value;
    if (start != line.npos && line[start] == '"') {
      line.remove_prefix(start + 1);
      std::optional<std::string> quoted = TakeQuoted(line);
      if (!quoted.has_value()) return std::nullopt;
      value = *std::move(quoted);
    } else {
      value = Trim(line.substr(0, line.find(',')));
    }
    settings.emplace_back(key, std::move(value));
    const size_t comma = line.find(',');
    line.remove_prefix(comma == line.npos ? line.size() : comma + 1);
  }
  return settings;
}

bool HasSteps(const std::optional<Settings>& settings) {
  if (!settings.has_value()) return false;
  for (const auto& [key, value] : *settings) {
    if (key == "Steps") return true;
  }
  return false;
}

absl::Status SetSize(std::string_view value, ImageParameters& parameters) {
  const size_t x = value.find('x');
  if (x == value.npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("parameters: Size is '", Absl(value), "', not WIDTHxHEIGHT"));
  }
  absl::Status status = FromText("Size", value.substr(0, x), parameters.width);
  status.Update(FromText("Size", value.substr(x + 1), parameters.height));
  return status;
}

absl::Status Set(const std::string& key, std::string value, ImageParameters& parameters) {
  if (key == "Steps") return FromText(key, value, parameters.num_inference_steps);
  if (key == "CFG scale") return FromText(key, value, parameters.guidance_scale);
  if (key == "CFG rescale") return FromText(key, value, parameters.guidance_rescale);
  if (key == "True CFG scale") return FromText(key, value, parameters.true_cfg_scale);
  if (key == "Shift") return FromText(key, value, parameters.flow_shift);
  if (key == "Seed") return FromText(key, value, parameters.seed);
  if (key == "Size") return SetSize(value, parameters);
  if (key == "Class label") return FromText(key, value, parameters.class_label);
  if (key == "Sampler") parameters.sampler = std::move(value);
  if (key == "Model") parameters.model = std::move(value);
  if (key == "Class") parameters.class_name = std::move(value);
  return absl::OkStatus();
}

// The lines before the settings.
void SetPrompts(const std::vector<std::string>& lines, ImageParameters& parameters) {
  size_t negative = 0;
  while (negative < lines.size() && !std::string_view(lines[negative]).starts_with(kNegative)) ++negative;
  if (negative > 0) {
    std::vector<std::string> prompt(lines.begin(), lines.begin() + negative);
    for (std::string& line : prompt) {
      if (LooksNegative(line)) line.erase(0, 1);
    }
    parameters.prompt = absl::StrJoin(prompt, "\n");
  }
  if (negative < lines.size()) {
    std::string text = absl::StrJoin(lines.begin() + negative, lines.end(), "\n").substr(kNegative.size());
    parameters.negative_prompt = text.starts_with(' ') ? text.substr(1) : text;
  }
}

}  // namespace

std::string FormatParameters(const ImageParameters& parameters) {
  std::string out;
  if (parameters.prompt.has_value()) {
    for (std::string line : std::vector<std::string>(absl::StrSplit(WithoutNul(*parameters.prompt), '\n'))) {
      absl::StrAppend(&out, LooksNegative(line) ? "\\" : "", line, "\n");
    }
  }
  if (!parameters.negative_prompt.empty()) {
    absl::StrAppend(&out, Absl(kNegative), " ", WithoutNul(parameters.negative_prompt), "\n");
  }
  std::vector<std::string> settings;
  const auto number = [&](const char* key, const auto& value) {
    if (value.has_value()) settings.push_back(absl::StrCat(key, ": ", ToText(*value)));
  };
  const auto text = [&](const char* key, const std::string& value) {
    if (!value.empty()) settings.push_back(absl::StrCat(key, ": ", Quote(WithoutNul(value))));
  };
  number("Steps", parameters.num_inference_steps);
  text("Sampler", parameters.sampler);
  number("CFG scale", parameters.guidance_scale);
  number("CFG rescale", parameters.guidance_rescale);
  number("True CFG scale", parameters.true_cfg_scale);
  number("Seed", parameters.seed);
  if (parameters.width.has_value() && parameters.height.has_value()) {
    settings.push_back(absl::StrCat("Size: ", *parameters.width, "x", *parameters.height));
  }
  number("Shift", parameters.flow_shift);
  text("Model", parameters.model);
  text("Class", parameters.class_name);
  number("Class label", parameters.class_label);
  absl::StrAppend(&out, absl::StrJoin(settings, ", "));
  return out;
}

absl::StatusOr<ImageParameters> ParseParameters(std::string_view text) {
  ImageParameters parameters;
  std::vector<std::string> lines = absl::StrSplit(Absl(text), '\n');
  const std::optional<Settings> settings = ParseSettings(lines.back());
  if (HasSteps(settings)) {
    for (const auto& [key, value] : *settings) {
      if (absl::Status status = Set(key, value, parameters); !status.ok()) return status;
    }
    lines.pop_back();
  }
  SetPrompts(lines, parameters);
  return parameters;
}

}  // namespace easel
