// Any bytes as a .safetensors file: an error that names the file, or tensors whose every byte can be read.
#include <ATen/ATen.h>

#include "model/io/safetensors.h"
#include "tests/fuzz/fuzz.h"

namespace easel {
namespace {

void ReadEveryByte(const at::Tensor& tensor) {
  const auto* bytes = static_cast<const volatile uint8_t*>(tensor.const_data_ptr());
  for (size_t i = 0; i < tensor.nbytes(); ++i) bytes[i];
}

void Fuzz(std::string_view bytes) {
  static const TemporaryDirectory directory;
  const std::string path = WriteInput(directory, "input.safetensors", bytes);
  const auto file = SafetensorsFile::Open(path);
  RequireNames(file.status(), path);
  if (!file.ok()) return;
  size_t total = 0;
  for (const std::string& name : (*file)->names()) {
    Require((*file)->Has(name), "a name without a tensor");
    const at::Tensor tensor = (*file)->Get(name);
    ReadEveryByte(tensor);
    total += tensor.nbytes();
  }
  Require(total <= bytes.size(), "more tensors than bytes");
}

}  // namespace
}  // namespace easel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  easel::Fuzz(easel::AsText(data, size));
  return 0;
}
