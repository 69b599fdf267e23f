#include "tests/bench/flops.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <cstring>
#include <vector>

namespace easel {
namespace {

thread_local int64_t flops;

std::unique_ptr<at::ObserverContext> Count(const at::RecordFunction& call) {
  auto sizes = [&call](int i) { return call.inputs()[i].toTensor().sizes(); };
  if (std::strcmp(call.name(), "aten::linear") == 0) {
    flops += 2 * call.inputs()[0].toTensor().numel() * sizes(1)[0];
  } else if (std::strcmp(call.name(), "aten::scaled_dot_product_attention") == 0) {
    // (…, queries, width) · (…, keys, width)ᵀ, then · (…, keys, width of a value).
    flops += 2 * call.inputs()[0].toTensor().numel() * sizes(1)[sizes(1).size() - 2];
    flops += 2 * call.inputs()[0].toTensor().numel() / sizes(0).back() * sizes(1)[sizes(1).size() - 2] * sizes(2).back();
  }
  return nullptr;
}

}  // namespace

int64_t CountFlops(const std::function<void()>& forward) {
  flops = 0;
  const at::CallbackHandle handle =
      at::addThreadLocalCallback(at::RecordFunctionCallback(Count).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  forward();
  at::removeCallback(handle);
  return flops;
}

}  // namespace easel
