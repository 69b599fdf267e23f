// What tests of the program's commands share: a directory of their own, and what a command wrote.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace easel {

class CommandTest : public ::testing::Test {
 protected:
  CommandTest() {
    std::string pattern = std::filesystem::path(testing::TempDir()) / "command_XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }

  std::string Path(const std::string& name) const { return directory_ / name; }
  std::string Contents(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(directory_ / name, std::ios::binary).rdbuf();
    return text.str();
  }

  std::filesystem::path directory_;
  std::ostringstream out_, err_;
};

}  // namespace easel
