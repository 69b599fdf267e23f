#include "server/engine/guarded.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace easel {
namespace {

// cudaError_t, by number because the headers are CUDA's own. Of these its manual says that the process cannot
// use the device any more; others, such as a kernel that was called wrongly, end with the call.
constexpr int kCudaOutOfMemory = 2;
constexpr std::array kDeviceIsLost = {
    46,   // devices unavailable
    100,  // no device
    214,  // uncorrectable ECC error
    220,  // uncorrectable NVLink error
    700,  // illegal address
    702,  // launch timeout
    709,  // context is destroyed
    710,  // assertion in a kernel
    714,  // hardware stack error
    715,  // illegal instruction
    716,  // misaligned address
    717,  // invalid address space
    718,  // invalid program counter
    719,  // launch failure
    999,  // unknown
};

// Too little memory that LibTorch throws as an error like any other: its CPU allocator, and workspaces.
constexpr std::array<std::string_view, 4> kOutOfMemoryTexts = {
    "DefaultCPUAllocator: can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
};

}  // namespace

absl::Status StatusOfException(const char* work) {
  try {
    throw;
  } catch (const c10::OutOfMemoryError& error) {
    return absl::ResourceExhaustedError(absl::StrCat(work, ": ", error.what_without_backtrace()));
  } catch (const c10::AcceleratorError& error) {
    const std::string message = absl::StrCat(work, ": ", error.what_without_backtrace());
    const int code = error.get_error_code();
    if (code == kCudaOutOfMemory) return absl::ResourceExhaustedError(message);
    const bool lost = std::find(kDeviceIsLost.begin(), kDeviceIsLost.end(), code) != kDeviceIsLost.end();
    return lost ? absl::UnavailableError(message) : absl::InternalError(message);
  } catch (const c10::Error& error) {
    const std::string message = absl::StrCat(work, ": ", error.what_without_backtrace());
    const bool memory =
        std::any_of(kOutOfMemoryTexts.begin(), kOutOfMemoryTexts.end(), [&](std::string_view text) {
          return absl::StrContains(message, absl::string_view(text.data(), text.size()));
        });
    return memory ? absl::ResourceExhaustedError(message) : absl::InternalError(message);
  } catch (const std::bad_alloc& error) {
    return absl::ResourceExhaustedError(absl::StrCat(work, ": ", error.what()));
  } catch (const DeviceLostError& error) {
    return absl::UnavailableError(absl::StrCat(work, ": ", error.what()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(work, ": ", error.what()));
  } catch (...) {
    return absl::InternalError(absl::StrCat(work, ": something was thrown that is no exception"));
  }
}

}  // namespace easel
