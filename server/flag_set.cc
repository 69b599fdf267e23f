#include "server/flag_set.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/config_file.h"
#include "server/empty_values.h"

namespace easel {

FlagSet::FlagSet(const std::string& description, const std::string& footer, const std::string& version)
    : app_(description) {
  app_.footer(footer);
  app_.set_version_flag("--version", version);
  const char* config = std::getenv("EASEL_CONFIG");
  const bool named = config != nullptr && *config != '\0';
  app_.set_config("--config", named ? config : "", "file of flags in TOML", /*config_required=*/named);
  app_.config_formatter(std::make_shared<ConfigFile>(&app_));
  app_.allow_config_extras(CLI::config_extras_mode::error);
}

void FlagSet::ParseWords(int argc, const char* const* argv) {
  app_.name(argv[0]);
  const std::vector<std::string> words = WithEmptyValues(app_, {argv + 1, argv + argc});
  app_.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them from the back
}

CLI::Option* FlagSet::Named(const std::string& flag, CLI::Option* option, const std::string& shown,
                            const std::string& shown_default) {
  return option->envname(VariableOf(flag))->type_name(shown)->default_str(shown_default)->group("Flags");
}

CLI::Option* FlagSet::AddText(const std::string& flag, const std::string& shown,
                              const std::string& shown_default, const std::string& help,
                              std::function<void(const std::string&)> set) {
  return Named(flag, app_.add_option_function<std::string>("--" + flag, std::move(set), help), shown,
               shown_default);
}

void FlagSet::AddInteger(const std::string& flag, int64_t least, int64_t most,
                         const std::string& shown_default, const std::string& help,
                         std::function<void(int64_t)> set) {
  const bool automatic = shown_default == "auto";
  AddText(flag, "N", shown_default, help, [=](const std::string& text) {
    if (automatic && text == "auto") return;
    int64_t number = 0;
    if (!absl::SimpleAtoi(text, &number) || number < least || number > most) {
      throw CLI::ValidationError("--" + flag, absl::StrCat("'", text, "' is not a whole number from ", least,
                                                           automatic ? ", or auto" : ""));
    }
    set(number);
  });
}

void FlagSet::AddSeconds(const std::string& flag, const std::string& shown_default, const std::string& help,
                         absl::Duration* value) {
  AddText(flag, "SECONDS", shown_default, help, [=](const std::string& text) {
    double seconds = 0;
    if (!absl::SimpleAtod(text, &seconds) || !(seconds >= 0) || seconds > 1e9) {
      throw CLI::ValidationError("--" + flag, "'" + text + "' is not a number of seconds");
    }
    *value = absl::Seconds(seconds);
  });
}

void FlagSet::AddChoice(const std::string& flag, const std::vector<std::string>& choices,
                        const std::string& shown_default, const std::string& help,
                        std::function<void(const std::string&)> set) {
  const std::string shown = CLI::detail::join(choices, "|");
  AddText(flag, shown, shown_default, help, [=](const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      throw CLI::ValidationError("--" + flag, "'" + text + "' is none of " + shown);
    }
    set(text);
  });
}

void FlagSet::AddSwitch(const std::string& flag, const std::string& help, bool* value) {
  app_.add_flag("--" + flag, *value, help)
      ->envname(VariableOf(flag))
      ->group("Flags")
      ->check([](const std::string& text) -> std::string {
        try {
          CLI::detail::to_flag_value(text);
          return "";
        } catch (const std::invalid_argument&) {
          return "'" + text + "' is neither true nor false";
        }
      });
}

void FlagSet::AddAct(const std::string& flag, const std::string& help, bool* value) {
  app_.add_flag("--" + flag, *value, help)->configurable(false);
}

}  // namespace easel
