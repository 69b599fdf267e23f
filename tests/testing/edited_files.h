// Small changes to the files of a model directory, for tests of what a loader says of them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_replace.h"

namespace easel {

inline std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void WriteText(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

inline void Replace(const std::filesystem::path& path, const std::string& from, const std::string& to) {
  const std::string text = ReadText(path);
  ASSERT_THAT(text, ::testing::HasSubstr(from)) << path;
  WriteText(path, absl::StrReplaceAll(text, {{from, to}}));
}

// Adds a key to a JSON object's file, before the others.
inline void AddKey(const std::filesystem::path& path, const std::string& entry) {
  std::string text = ReadText(path);
  text.insert(text.find('{') + 1, "\n  " + entry + ",");
  WriteText(path, text);
}

}  // namespace easel
