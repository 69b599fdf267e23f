// A picture has the same bytes on any number of threads: of the shipped autoencoder, of those of the goldens, and of one that is
// wide enough for every kernel.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/autoencoder/autoencoder_kl.h"
#include "model/nn/kernels/kernels.h"
#include "tests/testing/golden_network.h"
#include "tests/testing/on_threads.h"
#include "tests/testing/random_weights.h"
#include "tests/testing/tensor_matchers.h"

namespace easel {
namespace {

void ExpectTheSameOnThreads(const Autoencoder& autoencoder) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const c10::InferenceMode inference;
  const at::Tensor latent = at::randn({1, autoencoder.latent_channels(), 20, 24});
  const at::Tensor alone = autoencoder.Decode(latent);
  {
    int tasks = 0;
    const ForEach on_threads = OnThreads(&tasks);
    const SpreadOver spread(on_threads);
    EXPECT_TRUE(SameBytes(autoencoder.Decode(latent), alone));
    if (FastestCpuKernels() != nullptr) {
      EXPECT_GT(tasks, 2);
    }
  }
  at::set_num_threads(threads);
}

class DecodeSpread : public ::testing::TestWithParam<const char*> {};

TEST_P(DecodeSpread, KeepsTheBytes) {
  const auto network = LoadGoldenNetwork<AutoencoderKL, AutoencoderKLParams>(GetParam());
  ASSERT_TRUE(network.ok()) << network.status();
  ExpectTheSameOnThreads(**network);
}

INSTANTIATE_TEST_SUITE_P(Autoencoders, DecodeSpread,
                         ::testing::Values("../../../model/reference/vae", "autoencoder_families/sd", "autoencoder_families/sd3",
                                           "autoencoder_families/flux", "autoencoder_families/no_attention"),
                         [](const auto& info) {
                           const std::string path = info.param;
                           return path.substr(path.rfind('/') + 1);
                         });

TEST(DecodeSpreadOfAWideOne, KeepsTheBytes) {
  AutoencoderKLParams params;
  params.block_out_channels = {32, 48, 64};
  params.norm_num_groups = 16;
  RandomWeights weights(1);
  ExpectTheSameOnThreads(AutoencoderKL(params, Weights(&weights)));
}

}  // namespace
}  // namespace easel
