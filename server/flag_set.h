// A program's flags, each declared once and with that a key of --config FILE and a variable EASEL_… .
// Mistakes are CLI::ParseErrors that name the flag, what was given and what is allowed.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/time/time.h"

namespace easel {

class FlagSet {
 public:
  // `footer` ends --help; `version` is what --version prints.
  FlagSet(const std::string& description, const std::string& footer, const std::string& version);
  FlagSet(const FlagSet&) = delete;
  FlagSet& operator=(const FlagSet&) = delete;

 protected:
  // The help tells `shown` for the value, and `shown_default` for what holds without the flag.
  CLI::Option* Named(const std::string& flag, CLI::Option* option, const std::string& shown,
                     const std::string& shown_default);
  CLI::Option* AddText(const std::string& flag, const std::string& shown, const std::string& shown_default,
                       const std::string& help, std::function<void(const std::string&)> set);
  void AddFile(const std::string& flag, const std::string& help, std::string* value) {
    AddText(flag, "FILE", "", help, [value](const std::string& text) { *value = text; });
  }
  // Whole numbers from `least`, an int's unless the value is wider; "auto" leaves what is there.
  template <typename Number>
  void AddNumber(const std::string& flag, int64_t least, const std::string& shown_default,
                 const std::string& help, Number* value) {
    using Held = std::conditional_t<std::is_same_v<Number, int64_t>, int64_t, int>;
    AddInteger(flag, least, std::numeric_limits<Held>::max(), shown_default, help,
               [value](int64_t number) { *value = static_cast<Held>(number); });
  }
  void AddSeconds(const std::string& flag, const std::string& shown_default, const std::string& help,
                  absl::Duration* value);
  void AddChoice(const std::string& flag, const std::vector<std::string>& choices,
                 const std::string& shown_default, const std::string& help,
                 std::function<void(const std::string&)> set);
  void AddSwitch(const std::string& flag, const std::string& help, bool* value);
  // What the program is to do instead of its work: on the command line alone.
  void AddAct(const std::string& flag, const std::string& help, bool* value);

  // argv as main has it.
  void ParseWords(int argc, const char* const* argv);

  // The file that gives the same flags.
  std::string ConfigText() const { return app_.config_to_str(); }

  CLI::App app_;

 private:
  void AddInteger(const std::string& flag, int64_t least, int64_t most, const std::string& shown_default,
                  const std::string& help, std::function<void(int64_t)> set);
};

}  // namespace easel
