// The safetensors format: u64 little-endian header length N, N bytes of JSON {name: {dtype, shape,
// data_offsets}}, the data. https://github.com/huggingface/safetensors
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace easel {

// A mapped file. Everything is checked before it is trusted: header length, JSON, dtypes, shapes, offsets
// without holes or overlap, sizes, the exact file length. Errors name the file and the tensor. Immutable;
// usable from any thread.
class SafetensorsFile : public std::enable_shared_from_this<SafetensorsFile> {
 public:
  static absl::StatusOr<std::shared_ptr<const SafetensorsFile>> Open(const std::string& path);
  virtual ~SafetensorsFile() = default;

  virtual const std::vector<std::string>& names() const = 0;  // sorted
  virtual bool Has(const std::string& name) const = 0;
  // A CPU tensor that views the mapping (which it keeps alive); never to be written to. REQUIRES: Has(name).
  virtual at::Tensor Get(const std::string& name) const = 0;
  // Gives back the memory into which the file has been read so far. What is looked at after that, through whatever
  // tensor, is read again.
  virtual void ReleasePages() const = 0;
  virtual const std::map<std::string, std::string>& metadata() const = 0;
};

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Writes to a temporary file beside `path` and renames it, so that a crash leaves no half file.
absl::Status WriteSafetensors(const std::string& path, const NamedTensors& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace easel
