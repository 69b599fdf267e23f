#include "server/empty_values.h"

namespace easel {
namespace {

// Whether a word after it is its value, for the app or a command of its.
bool TakesValue(const CLI::App& app, const std::string& option) {
  if (option.size() < 2 || option[0] != '-') return false;
  const CLI::Option* found = app.get_option_no_throw(option);
  if (found != nullptr) return found->get_items_expected_max() > 0;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (TakesValue(*command, option)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> WithEmptyValues(const CLI::App& app, const std::vector<std::string>& words) {
  std::vector<std::string> result;
  bool is_value = false, options_end = false;
  for (const std::string& word : words) {
    const bool plain = is_value || options_end;
    options_end = options_end || (!is_value && word == "--");
    is_value = !plain && TakesValue(app, word);
    const std::string name = word.substr(0, word.find('='));
    if (!plain && word == name + "=" && TakesValue(app, name)) {
      result.push_back(name);
      result.emplace_back();
    } else {
      result.push_back(word);
    }
  }
  return result;
}

}  // namespace easel
