#include "model/io/safetensors.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "absl/strings/str_cat.h"
#include "model/io/file.h"
#include "model/io/json_parse.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian, and is mapped as it is");

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxDimensions = 64;  // LibTorch's own limit
constexpr const char* kMetadataKey = "__metadata__";

struct Dtype {
  const char* name;
  at::ScalarType type;
};
constexpr Dtype kDtypes[] = {{"F64", at::kDouble},    {"F32", at::kFloat}, {"F16", at::kHalf},
                             {"BF16", at::kBFloat16}, {"I64", at::kLong},  {"I32", at::kInt},
                             {"I16", at::kShort},     {"I8", at::kChar},   {"U8", at::kByte},
                             {"BOOL", at::kBool}};

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<int64_t> shape;
  uint64_t begin;  // in the data
  uint64_t end;
};

std::optional<uint64_t> ReadUnsigned(const Json& value) {
  if (!value.is_number_unsigned()) return {};  // the library's type of every integer without a minus
  return value.get<uint64_t>();
}

// One entry of the header, all but its place among the others. Errors without the file's name.
absl::StatusOr<Entry> ReadEntry(const std::string& name, const Json& json) {
  auto fault = [&name](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("tensor \"", name, "\": ", parts...));
  };
  if (!json.is_object()) return fault("expected an object, got ", Excerpt(json));
  for (const char* key : {"dtype", "shape", "data_offsets"}) {
    if (!json.contains(key)) return fault("no \"", key, "\"");
  }

  const Json& dtype = json["dtype"];
  const auto known =
      std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const Dtype& d) { return dtype == d.name; });
  if (known == std::end(kDtypes)) return fault("unknown dtype ", Excerpt(dtype));
  Entry entry{name, known->type, {}, 0, 0};

  const Json& shape = json["shape"];
  if (!shape.is_array()) return fault("expected an array as shape, got ", Excerpt(shape));
  if (shape.size() > kMaxDimensions)
    return fault(shape.size(), " dimensions; at most ", kMaxDimensions, " are read");
  const uint64_t item_size = c10::elementSize(entry.type);
  uint64_t bytes = item_size;
  uint64_t bytes_without_zeros = item_size;  // what the strides of an empty tensor are computed from
  for (const Json& size : shape) {
    const std::optional<uint64_t> n = ReadUnsigned(size);
    if (!n) return fault("shape ", Excerpt(shape), ": sizes are integers from 0");
    if (*n > std::numeric_limits<int64_t>::max() / bytes_without_zeros) {
      return fault("shape ", Excerpt(shape), " is larger than any memory");
    }
    bytes *= *n;
    bytes_without_zeros *= std::max<uint64_t>(*n, 1);
    entry.shape.push_back(static_cast<int64_t>(*n));
  }

  const Json& offsets = json["data_offsets"];
  const bool pair = offsets.is_array() && offsets.size() == 2;
  const std::optional<uint64_t> begin = pair ? ReadUnsigned(offsets[0]) : std::nullopt;
  const std::optional<uint64_t> end = pair ? ReadUnsigned(offsets[1]) : std::nullopt;
  if (!begin || !end || *begin > *end) {
    return fault("data_offsets ", Excerpt(offsets),
                 ": expected [begin, end], integers from 0 with begin <= end");
  }
  if (*end - *begin != bytes) {
    return fault("data_offsets ", Excerpt(offsets), " span ", *end - *begin, " bytes, but ", known->name,
                 " of shape ", Excerpt(shape), " has ", bytes);
  }
  entry.begin = *begin;
  entry.end = *end;
  return entry;
}

// The data must be the tensors one after the other, from its first byte to its last.
absl::Status CheckLayout(std::vector<const Entry*> entries, uint64_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  uint64_t position = 0;
  for (const Entry* e : entries) {
    if (e->begin != position) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor \"", e->name, "\": ", e->begin > position ? "a hole before it" : "it overlaps another",
          ": it begins at ", e->begin, ", not ", position));
    }
    if (e->end > data_size) {
      return absl::InvalidArgumentError(absl::StrCat("tensor \"", e->name, "\": ends at ", e->end,
                                                     ", but the file has only ", data_size,
                                                     " bytes of data (truncated?)"));
    }
    position = e->end;
  }
  if (position != data_size) {
    return absl::InvalidArgumentError(absl::StrCat(data_size - position, " bytes follow the last tensor"));
  }
  return absl::OkStatus();
}

class Mapping {
 public:
  static absl::StatusOr<std::unique_ptr<Mapping>> Open(const std::string& path) {
    // Not blocking: the open of a pipe must not wait for a writer; the check for a regular file follows.
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
      const std::string message = absl::StrCat(path, ": cannot be opened: ", std::strerror(errno));
      return errno == ENOENT ? absl::NotFoundError(message) : absl::UnavailableError(message);
    }
    struct stat info;
    const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (!regular || info.st_size < static_cast<off_t>(kLengthBytes)) {
      close(fd);
      return absl::InvalidArgumentError(
          path + (regular ? ": shorter than the 8 bytes of the header's length" : ": not a regular file"));
    }
    const size_t size = info.st_size;
    void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    close(fd);
    if (data == MAP_FAILED)
      return absl::UnavailableError(absl::StrCat(path, ": cannot be mapped: ", std::strerror(error)));
    return std::unique_ptr<Mapping>(new Mapping(static_cast<const char*>(data), size));
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { munmap(const_cast<char*>(bytes_.data()), bytes_.size()); }

  std::string_view bytes() const { return bytes_; }
  void ReleasePages() const { madvise(const_cast<char*>(bytes_.data()), bytes_.size(), MADV_DONTNEED); }

 private:
  Mapping(const char* data, size_t size) : bytes_(data, size) {}

  std::string_view bytes_;
};

class MappedFile : public SafetensorsFile {
 public:
  explicit MappedFile(std::unique_ptr<Mapping> mapping) : mapping_(std::move(mapping)) {}

  // Errors without the file's name, but for those of the JSON.
  absl::Status ReadHeader(const std::string& path) {
    const std::string_view bytes = mapping_->bytes();
    uint64_t header_size;
    std::memcpy(&header_size, bytes.data(), kLengthBytes);
    if (header_size > kMaxHeaderBytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": a header of ", header_size, " bytes; at most ",
                                                     kMaxHeaderBytes, " are read"));
    }
    if (header_size > bytes.size() - kLengthBytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": a header of ", header_size, " bytes, but only ",
                                                     bytes.size() - kLengthBytes, " follow (truncated?)"));
    }
    const std::string_view header = bytes.substr(kLengthBytes, header_size);
    if (!header.starts_with('{'))
      return absl::InvalidArgumentError(path + ": the header does not begin with {");
    EASEL_ASSIGN_OR_RETURN(const Json json, ParseJson(header, path + ": header"));
    data_ = bytes.substr(kLengthBytes + header_size);
    if (absl::Status s = ReadEntries(json); !s.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", std::string(s.message())));
    }
    return absl::OkStatus();
  }

  const std::vector<std::string>& names() const override { return names_; }
  bool Has(const std::string& name) const override { return entries_.contains(name); }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }

  at::Tensor Get(const std::string& name) const override {
    const Entry& entry = entries_.at(name);
    const char* data = data_.data() + entry.begin;
    const auto options = at::TensorOptions().dtype(entry.type);
    if (entry.begin == entry.end) return at::empty(entry.shape, options);
    if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(entry.type) != 0) {
      // Valid, but the processor's aligned loads would fault: writers that do not pad the header make such
      // files.
      at::Tensor copy = at::empty(entry.shape, options);
      std::memcpy(copy.data_ptr(), data, entry.end - entry.begin);
      return copy;
    }
    auto keep_mapped = [self = shared_from_this()](void*) {};
    return at::from_blob(const_cast<char*>(data), entry.shape, keep_mapped, options);
  }

  void ReleasePages() const override { mapping_->ReleasePages(); }

 private:
  absl::Status ReadEntries(const Json& header) {
    std::vector<const Entry*> all;
    for (const auto& [name, value] : header.items()) {
      if (name == kMetadataKey) {
        EASEL_RETURN_IF_ERROR(ReadMetadata(value));
        continue;
      }
      EASEL_ASSIGN_OR_RETURN(Entry entry, ReadEntry(name, value));
      names_.push_back(name);
      all.push_back(&entries_.emplace(name, std::move(entry)).first->second);
    }
    std::sort(names_.begin(), names_.end());
    EASEL_RETURN_IF_ERROR(CheckLayout(all, data_.size()));
    for (const Entry* e : all) EASEL_RETURN_IF_ERROR(CheckBools(*e));
    return absl::OkStatus();
  }

  absl::Status ReadMetadata(const Json& value) {
    if (!value.is_object())
      return absl::InvalidArgumentError("__metadata__: expected an object, got " + Excerpt(value));
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) {
        return absl::InvalidArgumentError(
            absl::StrCat("__metadata__: key \"", key, "\": expected a string, got ", Excerpt(text)));
      }
      metadata_[key] = text.get<std::string>();
    }
    return absl::OkStatus();
  }

  // A bool that is neither 0 nor 1 is undefined behaviour to read.
  absl::Status CheckBools(const Entry& e) const {
    if (e.type != at::kBool) return absl::OkStatus();
    const std::string_view bytes = data_.substr(e.begin, e.end - e.begin);
    if (std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0 || c == 1; }))
      return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("tensor \"", e.name, "\": a BOOL that is neither 0 nor 1"));
  }

  std::unique_ptr<Mapping> mapping_;
  std::string_view data_;  // of the mapping, after the header
  std::map<std::string, Entry> entries_;
  std::vector<std::string> names_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::Open(const std::string& path) {
  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<Mapping> mapping, Mapping::Open(path));
  auto file = std::make_shared<MappedFile>(std::move(mapping));
  EASEL_RETURN_IF_ERROR(file->ReadHeader(path));
  return std::shared_ptr<const SafetensorsFile>(std::move(file));
}

absl::Status WriteSafetensors(const std::string& path, const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata) {
  // Large items first, so that with a padded header every tensor is aligned to its items; then by name.
  NamedTensors sorted = tensors;
  for (const auto& [name, tensor] : sorted) {
    if (!tensor.defined())
      return absl::InvalidArgumentError(absl::StrCat(path, ": tensor \"", name, "\" is undefined"));
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::pair(b.second.itemsize(), std::string_view(a.first)) <
           std::pair(a.second.itemsize(), std::string_view(b.first));
  });

  nlohmann::ordered_json::object_t header;  // appended to, since a look-up in an ordered object is linear
  if (!metadata.empty()) header.emplace_back(kMetadataKey, nlohmann::ordered_json(metadata));
  std::map<std::string_view, int> seen;
  uint64_t position = 0;
  for (const auto& [name, tensor] : sorted) {
    if (name == kMetadataKey || seen[name]++ > 0) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": the name \"", name, "\" is taken"));
    }
    const auto known = std::find_if(std::begin(kDtypes), std::end(kDtypes),
                                    [t = tensor.scalar_type()](const Dtype& d) { return d.type == t; });
    if (known == std::end(kDtypes)) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": tensor \"", name, "\": no dtype of the format is ", c10::toString(tensor.scalar_type())));
    }
    const uint64_t end = position + tensor.nbytes();
    header.emplace_back(name, nlohmann::ordered_json{{"dtype", known->name},
                                                     {"shape", tensor.sizes().vec()},
                                                     {"data_offsets", {position, end}}});
    position = end;
  }
  std::string text;
  try {
    text = nlohmann::ordered_json(std::move(header)).dump();
  } catch (const Json::exception&) {
    return absl::InvalidArgumentError(path + ": a name or metadata is not UTF-8");
  }
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');

  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file, AtomicFile::Create(path));
  const uint64_t header_size = text.size();
  EASEL_RETURN_IF_ERROR(file->Write({reinterpret_cast<const char*>(&header_size), kLengthBytes}));
  EASEL_RETURN_IF_ERROR(file->Write(text));
  for (const auto& [name, tensor] : sorted) {
    const at::Tensor t = tensor.detach().cpu().contiguous();
    EASEL_RETURN_IF_ERROR(file->Write({static_cast<const char*>(t.const_data_ptr()), t.nbytes()}));
  }
  return file->Commit();
}

}  // namespace easel
