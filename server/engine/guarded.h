// What a device's work throws, as a status that says what can be done about it.
#pragma once

#include <stdexcept>

#include "absl/status/status.h"

namespace easel {

// For whoever finds that the device is gone. What LibTorch throws of it is known, too.
class DeviceLostError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The exception in hand, as the status of the jobs that the work was for. `work` names it, as in "denoise".
//   ResourceExhausted  there was too little memory: the same work in smaller parts may succeed
//   Unavailable        the device is lost: it will fail at whatever it is given from now on
//   Internal           all else
// REQUIRES: called in a catch block.
absl::Status StatusOfException(const char* work);

// What `work` returns or throws, as above. The exception, and what it holds, is gone when this returns.
template <typename Work>
absl::Status Caught(const char* name, Work work) {
  try {
    return work();
  } catch (...) {
    return StatusOfException(name);
  }
}

}  // namespace easel
