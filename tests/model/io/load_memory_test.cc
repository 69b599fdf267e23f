// A load takes little more memory than the weights as they are served: small files here, DiT-XL/2 in tests/bench/load_bench.cc.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>
#include <string>
#include <vector>

#include "model/io/checkpoint.h"
#include "model/io/safetensors.h"
#include "model/nn/layers.h"
#include "tests/model/io/temporary_directory.h"

namespace easel {
namespace {

int64_t Bytes(const std::string& field) {  // of this process
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    if (int64_t kib; name == field && status >> kib) return kib * 1024;
  }
  return 0;
}

constexpr int64_t kWide = 1024;

// A large one, so that what follows comes from the heap; then each a little larger than the one before, so that nothing fits into
// the holes that those leave.
std::vector<int64_t> Heights() {
  std::vector<int64_t> heights = {4096};
  for (int64_t i = 0; i < 48; ++i) heights.push_back(512 + 8 * i);
  return heights;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which use memory of their own
TEST(LoadMemory, IsBoundedByTheWeightsAsServed) {
  const TemporaryDirectory directory;
  NamedTensors tensors;
  int64_t served = 0;
  for (size_t i = 0; i < Heights().size(); ++i) {
    tensors.emplace_back(std::to_string(i) + ".weight", at::zeros({Heights()[i], kWide}, at::kBFloat16));
    served += Heights()[i] * kWide * 4;
  }
  ASSERT_TRUE(WriteSafetensors(directory.Path("model.safetensors"), tensors).ok());
  tensors.clear();
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << 5 << std::flush;  // the most so far: forgotten
  const int64_t before = Bytes("VmRSS:");
  ASSERT_LT(Bytes("VmHWM:"), before + served / 16) << "this kernel does not forget";
  {
    const auto checkpoint = Checkpoint::Open(directory.path(), at::kCPU, at::kFloat).value();
    std::vector<Linear> layers;
    for (size_t i = 0; i < Heights().size(); ++i) {
      layers.emplace_back(Weights(checkpoint.get()) / i, kWide, Heights()[i], Bias::kNo);
    }
    ASSERT_TRUE(checkpoint->Finish().ok());
    EXPECT_GE(Bytes("VmRSS:") - before, served) << "the weights are there";
  }
  EXPECT_LE(Bytes("VmHWM:") - before, served + served * 15 / 100);
}
#endif

}  // namespace
}  // namespace easel
