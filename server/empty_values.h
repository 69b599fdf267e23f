// Both programs' words, as CLI11 is to have them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace easel {

// For `--name=`, whose value is empty, CLI11 2.1 takes the next word instead: here it is two words, `--name`
// and an empty one. `words`: without the program's name, as they were typed. `app` has all options of all
// commands.
std::vector<std::string> WithEmptyValues(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace easel
