// The autoencoders against diffusers and the book: tests/golden/parts/autoencoder.py.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/autoencoder/autoencoder_kl.h"
#include "model/autoencoder/book_vae.h"
#include "model/io/checkpoint.h"
#include "model/io/safetensors.h"

namespace easel {
namespace {

const std::string kData = EASEL_SOURCE_DIR "/tests/golden/data/autoencoder/";

double RelativeError(const at::Tensor& actual, const at::Tensor& expected) {
  return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
}

template <typename Network, typename Params>
absl::StatusOr<std::unique_ptr<Network>> Load(const std::string& name) {
  absl::StatusOr<JsonObject> config = JsonObject::Open(kData + name + "/config.json");
  if (!config.ok()) return config.status();
  absl::StatusOr<Params> params = Params::FromConfig(*config);
  if (!params.ok()) return params.status();
  auto checkpoint = Checkpoint::Open(kData + name, at::kCPU, at::kFloat);
  if (!checkpoint.ok()) return checkpoint.status();
  auto network = std::make_unique<Network>(*params, Weights(checkpoint->get()));
  if (absl::Status status = (*checkpoint)->Finish(); !status.ok()) return status;
  return network;
}

template <typename Network, typename Params>
void ExpectGolden(const std::string& name) {
  const auto network = Load<Network, Params>(name);
  ASSERT_TRUE(network.ok()) << network.status();
  const auto golden = SafetensorsFile::Open(kData + name + ".safetensors");
  ASSERT_TRUE(golden.ok()) << golden.status();
  const at::Tensor pixels = (*golden)->Get("pixels");
  const at::Tensor latent = (*golden)->Get("latent");
  const at::Tensor decoded = (*golden)->Get("decoded");
  EXPECT_EQ((*network)->latent_channels(), latent.size(1));
  EXPECT_EQ((*network)->downscale(), pixels.size(2) / latent.size(2));

  at::NoGradGuard no_grad;
  EXPECT_LE(RelativeError((*network)->Encode(pixels), latent), 1e-5);
  EXPECT_LE(RelativeError((*network)->Decode(latent), decoded), 1e-5);
}

TEST(AutoencoderGolden, AttentionUnderItsOldNames) {
  ExpectGolden<AutoencoderKL, AutoencoderKLParams>("kl_old_names");
}
TEST(AutoencoderGolden, ShiftAndNoQuantConvs) {
  ExpectGolden<AutoencoderKL, AutoencoderKLParams>("kl_shift");
}
TEST(AutoencoderGolden, NoAttention) { ExpectGolden<AutoencoderKL, AutoencoderKLParams>("kl_no_attention"); }
TEST(AutoencoderGolden, BookVae) { ExpectGolden<BookVae, BookVaeParams>("book_vae"); }
TEST(AutoencoderGolden, BookSmallVae) { ExpectGolden<BookSmallVae, BookSmallVaeParams>("book_small_vae"); }

TEST(AutoencoderKL, MomentsBeginWithTheUnscaledMean) {
  const auto network = Load<AutoencoderKL, AutoencoderKLParams>("kl_shift");
  ASSERT_TRUE(network.ok()) << network.status();
  at::NoGradGuard no_grad;
  const at::Tensor pixels = at::rand({1, 3, 16, 8});
  const at::Tensor moments = (*network)->Moments(pixels);
  EXPECT_EQ(moments.sizes(), (at::IntArrayRef{1, 32, 4, 2}));
  EXPECT_TRUE(at::allclose((moments.narrow(1, 0, 16) - 0.0609) * 1.5305, (*network)->Encode(pixels)));
}

TEST(AutoencoderKL, ChannelsLastStaysSoAndGivesTheSame) {
  const auto network = Load<AutoencoderKL, AutoencoderKLParams>("kl_old_names");
  ASSERT_TRUE(network.ok()) << network.status();
  at::NoGradGuard no_grad;
  const at::Tensor pixels = at::rand({2, 3, 8, 16});
  const at::Tensor latent = (*network)->Encode(pixels);
  const at::Tensor moments = (*network)->Moments(pixels.contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(moments.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_LE(RelativeError(moments, (*network)->Moments(pixels)), 1e-5);
  const at::Tensor decoded = (*network)->Decode(latent.contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(decoded.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_LE(RelativeError(decoded, (*network)->Decode(latent)), 1e-5);
}

// Hands out random leaves, and keeps them.
class RandomWeights : public WeightSource {
 public:
  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init init) override {
    at::Tensor tensor = at::randn(shape) * 0.2;
    tensor.set_requires_grad(true);
    taken.emplace_back(name, tensor);
    return tensor;
  }
  bool Has(const std::string& name) const override { return false; }

  NamedTensors taken;
};

TEST(AutoencoderKL, EveryTensorGetsAGradient) {
  AutoencoderKLParams params;
  params.block_out_channels = {4, 8};
  params.norm_num_groups = 2;
  RandomWeights weights;
  const AutoencoderKL network(params, Weights(&weights));
  const at::Tensor pixels = at::rand({2, 3, 8, 8});
  const at::Tensor moments = network.Moments(pixels);
  const at::Tensor decoded = network.Decode(moments.narrow(1, 0, 4) * params.scaling_factor);
  ((decoded - pixels).square().mean() + moments.square().mean()).backward();
  for (const auto& [name, tensor] : weights.taken) {
    ASSERT_TRUE(tensor.grad().defined()) << name;
    // A softmax does not see what every key has in common, so the keys' bias has none but rounding.
    if (name.find("to_k.bias") != std::string::npos) continue;
    EXPECT_GT(tensor.grad().abs().max().item<float>(), 0.0f) << name;
  }
}

}  // namespace
}  // namespace easel
