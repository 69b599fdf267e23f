// Whole files: read at once, or written so that a crash leaves the old file or the new one, never a half.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace easel {

// The content of a regular file of at most `max_bytes`. NotFound when it is absent; every error names the
// path.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes);

// A file that appears at `path` when Commit succeeds, and not before. One thread at a time.
class AtomicFile {
 public:
  static absl::StatusOr<std::unique_ptr<AtomicFile>> Create(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();  // without a Commit: removes what was written

  absl::Status Write(std::string_view bytes);
  absl::Status Commit();  // to the disk, then renames

 private:
  AtomicFile(std::string path, std::string temporary, int fd)
      : path_(std::move(path)), temporary_(std::move(temporary)), fd_(fd) {}

  std::string path_;
  std::string temporary_;
  int fd_;
};

// Whether `name` names an entry of a directory and cannot lead out of it: not empty, ".", "..", no separator.
bool IsPlainFileName(std::string_view name);

}  // namespace easel
