#include "server/config_file.h"

#include <toml++/toml.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace easel {
namespace {

// The shortest that reads as the same number.
std::string Text(double number) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr};
}

// As on the command line.
std::string Text(const std::string& where, const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return absl::StrCat(number->get());
  if (const auto* number = node.as_floating_point()) return Text(number->get());
  if (const auto* truth = node.as_boolean()) return truth->get() ? "true" : "false";
  throw CLI::ValidationError(where, "takes text, a number, true, false or a list of those");
}

// A number where that is what `text` says, so that it stands there without quotes.
void Append(const std::string& text, toml::array* values) {
  int64_t whole = 0;
  double number = 0;
  if (absl::SimpleAtoi(text, &whole) && absl::StrCat(whole) == text) {
    values->push_back(whole);
  } else if (absl::SimpleAtod(text, &number) && std::isfinite(number) && Text(number) == text) {
    values->push_back(number);
  } else {
    values->push_back(text);
  }
}

// A flag that was given, as a line.
std::string Line(const CLI::Option& option) {
  toml::table line;
  const std::string name = option.get_single_name();
  if (option.get_expected_min() == 0) {  // a switch
    line.insert(name, option.as<bool>());
  } else {
    toml::array values;
    for (const std::string& text : option.results()) Append(text, &values);
    if (values.size() == 1) {
      values.front().visit([&](const auto& value) { line.insert(name, value); });
    } else {
      line.insert(name, std::move(values));
    }
  }
  std::ostringstream text;
  text << toml::toml_formatter{line, toml::format_flags::none} << '\n';
  bool same = false;
  try {
    same = toml::parse(text.str()) == line;
  } catch (const toml::parse_error&) {
  }
  if (!same) throw CLI::ValidationError(option.get_name(), "is no UTF-8, and no TOML can hold that");
  return text.str();
}

}  // namespace

std::string VariableOf(const std::string& flag) {
  return absl::StrCat("EASEL_", absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

std::vector<CLI::ConfigItem> ConfigFile::from_config(std::istream& input) const {
  const auto where = [this](const toml::source_region& place) {
    return absl::StrCat(app_->get_config_ptr()->as<std::string>(), ", line ", place.begin.line);
  };
  toml::table table;
  try {
    table = toml::parse(input);
  } catch (const toml::parse_error& error) {
    throw CLI::ValidationError(where(error.source()), std::string(error.description()));
  }
  std::vector<CLI::ConfigItem> items;
  for (const auto& [key, node] : table) {
    CLI::ConfigItem item;
    item.name = std::string(key.str());
    const char* variable = std::getenv(VariableOf(item.name).c_str());
    const CLI::Option* flag = app_->get_option_no_throw("--" + item.name);
    const std::string place = absl::StrCat(where(node.source()), ": ", item.name);
    if (flag == nullptr || !flag->get_configurable()) {
      throw CLI::ValidationError(place, "is no key; the flags of --help are, without their dashes");
    }
    if (variable != nullptr && *variable != '\0') continue;
    if (const toml::array* values = node.as_array()) {
      for (const toml::node& value : *values) item.inputs.push_back(Text(place, value));
      if (item.inputs.empty()) throw CLI::ValidationError(place, "has an empty list");
    } else {
      item.inputs.push_back(Text(place, node));
    }
    items.push_back(std::move(item));
  }
  return items;
}

std::string ConfigFile::to_config(const CLI::App* app, bool, bool, std::string) const {
  std::string text = "# A key behind # is not set, and has its default.\n";
  for (const CLI::Option* option : app->get_options()) {
    if (!option->get_configurable()) continue;
    if (option->empty()) {
      const std::string standard = option->get_expected_min() == 0 ? "false" : option->get_default_str();
      absl::StrAppend(&text, "# ", option->get_single_name(), ": ", standard.empty() ? "none" : standard,
                      "\n");
      continue;
    }
    text += Line(*option);
  }
  return text;
}

}  // namespace easel
