// Where a network's tensors come from while it is built: a checkpoint (strict), or initial values for training.
//
// A network's constructor takes a `Weights` and asks it, by checkpoint name and shape, for each tensor it needs:
//
//   Linear::Linear(const Weights& weights, int64_t in, int64_t out)
//       : weight(weights.Take("weight", {out, in}, Init::kXavierUniform)), bias(weights.Take("bias", {out}, Init::kZeros)) {}
//   ...
//   Linear proj(weights / "attn" / "proj", 256, 256);      // takes attn.proj.weight and attn.proj.bias
//
// So the same constructor loads, initialises, and (on the meta device) only names: nothing else knows tensor names.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace easel {

// How a tensor starts when it is trained, not loaded. Fans are those of PyTorch: shape[0] out, the rest in.
enum class Init { kZeros, kOnes, kXavierUniform, kKaimingUniform, kNormal02 /* std 0.02 */ };

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  // The tensor of this full name and shape. A source that cannot give it notes the fault, to be asked for after the
  // network is built, and returns a tensor of the shape all the same, so that every fault of a file is found at once.
  virtual at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) = 0;
  // Whether the source has this tensor: for checkpoints that come in two spellings. Initial values: always false.
  virtual bool Has(const std::string& name) const = 0;
};

// A source and a prefix; cheap to copy. `source` must outlive the constructor that it is passed to.
class Weights {
 public:
  explicit Weights(WeightSource* source, std::string prefix = "") : source_(source), prefix_(std::move(prefix)) {}

  Weights operator/(std::string_view name) const { return Weights(source_, Join(name)); }
  Weights operator/(int64_t index) const { return *this / std::to_string(index); }
  at::Tensor Take(std::string_view name, at::IntArrayRef shape, Init init) const {
    return source_->Take(Join(name), shape, init);
  }
  bool Has(std::string_view name) const { return source_->Has(Join(name)); }

 private:
  std::string Join(std::string_view name) const {
    return prefix_.empty() ? std::string(name) : prefix_ + "." + std::string(name);
  }

  WeightSource* source_;
  std::string prefix_;
};

}  // namespace easel
