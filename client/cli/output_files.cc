#include "client/cli/output_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace easel {
namespace {

namespace fs = std::filesystem;

absl::Status Failed(const std::string& path, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat("cannot write ", path));
}

// A new file that is gone with this object unless it was renamed into place.
class PartFile {
 public:
  explicit PartFile(const fs::path& target)
      : path_(target.parent_path() / absl::StrCat(".", target.filename().string(), ".", getpid(), ".part")),
        fd_(open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {}
  ~PartFile() {
    if (fd_ >= 0) close(fd_);
    if (fd_ >= 0 && !kept_) unlink(path_.c_str());
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  int fd() const { return fd_; }
  bool RenameTo(const fs::path& target) { return kept_ = rename(path_.c_str(), target.c_str()) == 0; }

 private:
  const fs::path path_;
  const int fd_;
  bool kept_ = false;
};

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(written);
  }
  return true;
}

// Where a file of that name is, or would be, through links.
fs::path Resolve(const std::string& path) {
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(path, error);
  return error ? fs::path(path) : resolved;
}

bool IsSpecial(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::exists(status) && !fs::is_regular_file(status);
}

}  // namespace

std::string_view ExtensionOf(v1::ImageFormat format) {
  switch (format) {
    case v1::IMAGE_FORMAT_JPEG:
      return "jpg";
    case v1::IMAGE_FORMAT_WEBP:
      return "webp";
    case v1::IMAGE_FORMAT_RAW_RGB8:
      return "rgb";
    default:
      return "png";
  }
}

std::optional<v1::ImageFormat> FormatOf(const std::string& path) {
  const std::string extension = absl::AsciiStrToLower(fs::path(path).extension().string());
  if (extension == ".png" || extension.empty()) return v1::IMAGE_FORMAT_PNG;
  if (extension == ".jpg" || extension == ".jpeg") return v1::IMAGE_FORMAT_JPEG;
  if (extension == ".webp") return v1::IMAGE_FORMAT_WEBP;
  if (extension == ".rgb" || extension == ".raw") return v1::IMAGE_FORMAT_RAW_RGB8;
  return std::nullopt;
}

std::string NumberedPath(const std::string& output, uint32_t index, uint32_t count) {
  if (count <= 1) return output;
  const fs::path path(output);
  return path.parent_path() / absl::StrCat(path.stem().string(), "-", index, path.extension().string());
}

std::string FreePath(uint64_t seed, v1::ImageFormat format) {
  std::error_code error;
  std::string path = absl::StrCat("easel-", seed, ".", std::string(ExtensionOf(format)));
  for (int i = 2; fs::exists(path, error); ++i) {
    path = absl::StrCat("easel-", seed, "-", i, ".", std::string(ExtensionOf(format)));
  }
  return path;
}

absl::Status CheckWritable(const std::string& path) {
  const fs::path target = Resolve(path);
  std::error_code error;
  if (fs::is_directory(target, error)) return Failed(path, EISDIR);
  if (fs::exists(target, error) && access(target.c_str(), W_OK) != 0) return Failed(path, errno);
  if (IsSpecial(target)) return absl::OkStatus();
  return PartFile(target).fd() >= 0 ? absl::OkStatus() : Failed(path, errno);
}

absl::Status WriteFile(const std::string& path, std::string_view bytes) {
  const fs::path target = Resolve(path);
  if (IsSpecial(target)) {
    const int fd = open(target.c_str(), O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && WriteAll(fd, bytes);
    const int error = errno;
    if (fd >= 0) close(fd);
    return written ? absl::OkStatus() : Failed(path, error);
  }
  PartFile part(target);
  if (part.fd() < 0 || !WriteAll(part.fd(), bytes) || !part.RenameTo(target)) return Failed(path, errno);
  return absl::OkStatus();
}

absl::StatusOr<std::string> KeepPicture(const std::string& output, const v1::ImageChunk& image,
                                        uint32_t count, std::ostream& out) {
  if (output == "-") {
    if (count > 1)
      return absl::InvalidArgumentError(absl::StrCat("`-` takes one picture; there are ", count));
    out.write(image.chunk().data(), static_cast<std::streamsize>(image.chunk().size())).flush();
    if (!out) return absl::UnknownError("cannot write to stdout");
    return "";
  }
  std::string path =
      output.empty() ? FreePath(image.seed(), image.format()) : NumberedPath(output, image.index(), count);
  if (absl::Status status = WriteFile(path, image.chunk()); !status.ok()) return status;
  return path;
}

std::string WroteLine(const std::string& path, const v1::ImageChunk& image) {
  const std::string format = FormatOf(path).value_or(image.format()) == image.format()
                                 ? ""
                                 : absl::StrCat(std::string(ExtensionOf(image.format())), ", ");
  return absl::StrCat("wrote ", path, " (", format, image.width(), "x", image.height(), ", seed ",
                      image.seed(), ")");
}

}  // namespace easel
