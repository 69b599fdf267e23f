// The weights of one component of a model directory, handed to a network while it is built. Strict.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/nn/weights.h"

namespace easel {

// Usage:
//   auto checkpoint = Checkpoint::Open(dir + "/transformer", at::kCPU, at::kFloat);
//   auto network = std::make_unique<X>(params, Weights(checkpoint->get()));
//   RETURN_IF_ERROR((*checkpoint)->Finish());
class Checkpoint : public WeightSource {
 public:
  // Opens the one *.safetensors of `directory`, or the shards that its *.safetensors.index.json lists (each
  // must be a plain name inside the directory). With several variants present the one without a variant
  // suffix wins, else the only one. Tensors are handed out on `device`; floating ones in `dtype`, without a
  // copy when they have it already. Of the files no more than a tensor stays in memory on this account: what has
  // been read is given back at the next one, and is read again where a tensor without a copy is looked at later.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::string& directory, c10::Device device,
                                                          c10::ScalarType dtype);

  // From WeightSource. A tensor that is missing or misshapen is noted, and zeros of the shape are returned.
  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override = 0;
  bool Has(const std::string& name) const override = 0;

  // A tensor that the class's own loader is documented to ignore (for example CLIP's position_ids): not left
  // over.
  virtual void Ignore(std::string_view name) = 0;
  // OK when every tensor was taken or ignored and none was missing or misshapen; else names them (the first
  // few) and the files.
  virtual absl::Status Finish() const = 0;
};

// The floating dtype in which most of the numbers in a component's weights are stored, with the files chosen as by
// Checkpoint::Open. InvalidArgument when there are none.
absl::StatusOr<c10::ScalarType> StoredDtype(const std::string& directory);

}  // namespace easel
