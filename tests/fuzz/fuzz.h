// What the fuzzers of this folder share. Each is a file that defines LLVMFuzzerTestOneInput, with seeds in
// corpus/<its name>/.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tests/model/io/temporary_directory.h"

// libFuzzer's entry point, and replay.cc's: reads any bytes; a fault is a crash.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace easel {

// Unlike assert, in every build.
inline void Require(bool condition, std::string_view what) {
  if (condition) return;
  std::fprintf(stderr, "violated: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

// Every error of a reader names the file.
inline void RequireNames(const absl::Status& status, const std::string& path) {
  if (status.ok()) return;
  const bool names = std::string(status.message()).find(path) != std::string::npos;
  Require(names, "an error without the file's name: " + std::string(status.message()));
}

inline std::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Writes the input as a file of `directory`; returns its path. A new file each time: what overwrites one is
// sent to the disk at once on some file systems, which takes a hundred times as long.
inline std::string WriteInput(const TemporaryDirectory& directory, const std::string& name,
                              std::string_view input) {
  std::filesystem::remove(directory.Path(name));
  return directory.Write(name, std::string(input));
}

}  // namespace easel
