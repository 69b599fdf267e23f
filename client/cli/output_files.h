// Where pictures go: names, and files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "easel/v1/image_generation.pb.h"

namespace easel {

// `png`, `jpg`, `webp`, `rgb`.
std::string_view ExtensionOf(v1::ImageFormat format);
// The format of a file's extension: png, jpg, jpeg, webp, rgb, raw, in any case; PNG without one; nothing for
// others.
std::optional<v1::ImageFormat> FormatOf(const std::string& path);

// The file of picture `index` of `count`: `output` for a single one; a.png becomes a-0.png, a-1.png and so on
// for several.
std::string NumberedPath(const std::string& output, uint32_t index, uint32_t count);
// easel-SEED.png, or easel-SEED-2.png and so on where that is taken.
std::string FreePath(uint64_t seed, v1::ImageFormat format);

// Whether WriteFile(path) would find a place: makes, and takes away, a file beside it. Errors name the path.
absl::Status CheckWritable(const std::string& path);

// Writes a file beside `path`, then renames it over `path`, so that nobody ever sees half of it and a failure
// leaves what was there. What is not a regular file (/dev/stdout, a pipe) is written as it is; a link's
// target is replaced, not the link.
absl::Status WriteFile(const std::string& path, std::string_view bytes);

// Writes a whole picture, one of `count`, where `output` says: a file (NumberedPath; empty: FreePath), or `-`
// for `out`, which takes one picture alone. Returns the file's path; empty for `-`.
absl::StatusOr<std::string> KeepPicture(const std::string& output, const v1::ImageChunk& image,
                                        uint32_t count, std::ostream& out);
// What tells of it. Names the format where the file's extension says another.
std::string WroteLine(const std::string& path, const v1::ImageChunk& image);

}  // namespace easel
