#include "model/io/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

absl::Status Fault(const std::string& path, std::string_view what, int error) {
  const std::string message = absl::StrCat(path, ": ", std::string(what), ": ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    return absl::InvalidArgumentError(path + ": not a regular file");  // a pipe would block the read
  }
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!file) return Fault(path, "cannot be opened", errno);
  std::string content;
  char buffer[1 << 16];
  while (const size_t n = std::fread(buffer, 1, sizeof(buffer), file.get())) {
    if (content.size() + n > max_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": larger than ", max_bytes, " bytes"));
    }
    content.append(buffer, n);
  }
  if (std::ferror(file.get())) return Fault(path, "cannot be read", errno);
  return content;
}

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::Create(const std::string& path) {
  static std::atomic<int> count = 0;
  // Beside `path`, since a rename must not cross file systems.
  std::string temporary = absl::StrCat(path, ".", getpid(), "-", count++, ".tmp");
  const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return Fault(path, "cannot be written", errno);
  return std::unique_ptr<AtomicFile>(new AtomicFile(path, std::move(temporary), fd));
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status AtomicFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Fault(path_, "cannot be written", errno);
    bytes.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status AtomicFile::Commit() {
  if (fsync(fd_) != 0) return Fault(path_, "cannot be written to the disk", errno);
  const int closed = close(fd_);
  fd_ = -1;
  if (closed != 0) return Fault(path_, "cannot be written", errno);
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) return Fault(path_, "cannot be replaced", errno);
  temporary_.clear();
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  const int directory = open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >=
      0) {  // the rename itself survives a power cut; some file systems cannot, which is no fault
    fsync(directory);
    close(directory);
  }
  return absl::OkStatus();
}

bool IsPlainFileName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\\') == name.npos && name.find('\0') == name.npos;
}

}  // namespace easel
