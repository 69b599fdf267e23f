// Runs forwards in bfloat16 where that is faster, with float32 parameters: PyTorch's autocast, as a scope of this thread.
#pragma once

#include <ATen/autocast_mode.h>

namespace easel {

class MixedPrecision {
 public:
  MixedPrecision(c10::DeviceType device, bool enabled) : device_(device), was_(at::autocast::is_autocast_enabled(device)) {
    at::autocast::set_autocast_enabled(device, enabled);
    at::autocast::set_autocast_dtype(device, at::kBFloat16);
    at::autocast::set_autocast_cache_enabled(false);  // it is shared by all threads, and a forward casts each weight once
  }
  ~MixedPrecision() { at::autocast::set_autocast_enabled(device_, was_); }
  MixedPrecision(const MixedPrecision&) = delete;
  MixedPrecision& operator=(const MixedPrecision&) = delete;

 private:
  c10::DeviceType device_;
  bool was_;
};

}  // namespace easel
