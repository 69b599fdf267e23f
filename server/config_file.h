// --config FILE: what it says as CLI11 takes it, and the other way round.
#pragma once

#include <CLI/CLI.hpp>
#include <istream>
#include <string>
#include <vector>

namespace easel {

// "max-queue" is EASEL_MAX_QUEUE.
std::string VariableOf(const std::string& flag);

// TOML 1.0, its keys the app's flags. Values are text, numbers, true, false, or lists of those. Mistakes are
// CLI::ValidationErrors that tell the line.
class ConfigFile : public CLI::Config {
 public:
  // `app` outlives this, and names the file.
  explicit ConfigFile(const CLI::App* app) : app_(app) {}

  // Without the keys whose variable is set: CLI11 reads the file before the variables, and would keep to it.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;

  // The flags that were given, by whichever way, as a file that gives the same; the others as comments with
  // their default. A ValidationError for a value that no TOML can hold, being no UTF-8. The last three are
  // CLI11's.
  std::string to_config(const CLI::App* app, bool, bool, std::string) const override;

 private:
  const CLI::App* app_;
};

}  // namespace easel
