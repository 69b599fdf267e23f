#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "model/autoencoder/autoencoder_kl.h"
#include "model/autoencoder/book_vae.h"

namespace easel {
namespace {

using ::testing::HasSubstr;

template <typename Params>
absl::StatusOr<Params> Read(const std::string& text) {
  absl::StatusOr<JsonObject> config = JsonObject::Parse(text, "vae/config.json");
  if (!config.ok()) return config.status();
  return Params::FromConfig(*config);
}

template <typename Params>
void ExpectFault(const std::string& text, const std::string& key) {
  const absl::StatusOr<Params> params = Read<Params>(text);
  ASSERT_FALSE(params.ok()) << text;
  const std::string message(params.status().message());
  EXPECT_THAT(message, HasSubstr("vae/config.json"));
  EXPECT_THAT(message, HasSubstr(key));
}

TEST(AutoencoderKLParams, AbsentKeysTakeTheClassDefaults) {
  const auto params = Read<AutoencoderKLParams>(R"({"_class_name": "AutoencoderKL", "shift_factor": null})");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->block_out_channels, std::vector<int64_t>{64});
  EXPECT_EQ(params->latent_channels, 4);
  EXPECT_EQ(params->norm_num_groups, 32);
  EXPECT_EQ(params->scaling_factor, 0.18215);
  EXPECT_EQ(params->shift_factor, 0.0);
  EXPECT_TRUE(params->use_quant_conv && params->use_post_quant_conv && params->mid_block_add_attention);
}

TEST(AutoencoderKLParams, FaultsNameTheKey) {
  using P = AutoencoderKLParams;
  ExpectFault<P>(R"({"down_block_types": ["DownBlock2D"]})", "down_block_types");
  ExpectFault<P>(R"({"up_block_types": ["AttnUpDecoderBlock2D"]})", "up_block_types");
  ExpectFault<P>(R"({"block_out_channels": [32, 64]})", "down_block_types");  // one type for two levels
  ExpectFault<P>(R"({"block_out_channels": [48]})", "block_out_channels");
  ExpectFault<P>(R"({"block_out_channels": []})", "block_out_channels");
  ExpectFault<P>(R"({"block_out_channels": [1000000000000]})", "block_out_channels");
  ExpectFault<P>(R"({"norm_num_groups": 0})", "norm_num_groups");
  ExpectFault<P>(R"({"layers_per_block": -1})", "layers_per_block");
  ExpectFault<P>(R"({"latent_channels": "4"})", "latent_channels");
  ExpectFault<P>(R"({"act_fn": "gelu"})", "act_fn");
  ExpectFault<P>(R"({"in_channels": 1})", "in_channels");
  ExpectFault<P>(R"({"scaling_factor": 0})", "scaling_factor");
  ExpectFault<P>(R"({"shift_factor": NaN})", "shift_factor");
  ExpectFault<P>(R"({"latents_mean": [0, 0, 0, 0]})", "latents_mean");
}

TEST(BookVaeParams, AbsentKeysTakeTheConstructorsDefaults) {
  const auto params = Read<BookVaeParams>("{}");
  ASSERT_TRUE(params.ok()) << params.status();
  EXPECT_EQ(params->channel_multipliers, (std::vector<int64_t>{1, 2, 4, 4}));
  EXPECT_EQ(params->attention_resolutions, std::vector<int64_t>{8});
  EXPECT_EQ(params->base_channels, 64);
  EXPECT_EQ(params->num_res_blocks, 2);
  EXPECT_EQ(Read<BookSmallVaeParams>("{}")->hidden_channels, 64);
}

TEST(BookVaeParams, FaultsNameTheKey) {
  ExpectFault<BookVaeParams>(R"({"in_channels": 1})", "in_channels");
  ExpectFault<BookVaeParams>(R"({"base_channels": 0})", "base_channels");
  ExpectFault<BookVaeParams>(R"({"base_channels": 48})", "channel_multipliers");
  ExpectFault<BookVaeParams>(R"({"channel_multipliers": []})", "channel_multipliers");
  ExpectFault<BookVaeParams>(R"({"channel_multipliers": [1, 9223372036854775807]})", "channel_multipliers");
  ExpectFault<BookVaeParams>(R"({"num_res_blocks": 0})", "num_res_blocks");
  ExpectFault<BookSmallVaeParams>(R"({"hidden_channels": 40})", "hidden_channels");
}

}  // namespace
}  // namespace easel
