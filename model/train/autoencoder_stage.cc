#include "model/train/autoencoder_stage.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "model/io/status_macros.h"
#include "model/train/mixed_precision.h"
#include "model/train/model_writer.h"
#include "model/train/parallel.h"
#include "model/train/picture_grid.h"
#include "model/train/progress.h"
#include "model/train/run_state.h"

namespace easel {
namespace {

constexpr int kParts = 4;  // of a batch, for the threads

AutoencoderKLParams ShippedParams() {
  AutoencoderKLParams params;
  params.block_out_channels = {32, 48, 64};
  params.layers_per_block = 1;
  params.latent_channels = 4;
  params.norm_num_groups = 8;
  params.mid_block_add_attention = false;
  params.scaling_factor = 1;
  return params;
}

// The posterior's mean, moved and scaled to mean 0 and variance 1 a channel over the data set: an affine map that the two
// quant convolutions take into their weights.
void NormalizeLatents(const AutoencoderKL& autoencoder, const at::Tensor& pixels, NamedTensors& averages) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : pixels.split(64)) parts.push_back(autoencoder.Encode(part));
  at::Tensor latents = at::cat(parts);  // (N, C, h, w)
  at::Tensor mean = latents.mean({0, 2, 3}), deviation = latents.std({0, 2, 3});
  const int64_t c = mean.size(0);
  for (auto& [name, t] : averages) {
    if (name == "quant_conv.weight") {
      t.narrow(0, 0, c).div_(deviation.reshape({c, 1, 1, 1}));
    } else if (name == "quant_conv.bias") {
      t.narrow(0, 0, c).sub_(mean).div_(deviation);
      t.narrow(0, c, c).sub_(2 * deviation.log());
    } else if (name == "post_quant_conv.bias") {
      for (auto& [other, w] : averages) {
        if (other == "post_quant_conv.weight") t.add_(at::mv(w.reshape({c, c}), mean));
      }
    }
  }
  for (auto& [name, t] : averages) {
    if (name == "post_quant_conv.weight") t.mul_(deviation.reshape({1, c, 1, 1}));
  }
}

at::Tensor Loss(const AutoencoderKL& autoencoder, const at::Tensor& x, at::Generator& noise, const AutoencoderStageOptions& o) {
  MixedPrecision scope(o.device.type(), o.bfloat16);
  std::vector<at::Tensor> moments = autoencoder.Moments(x).to(at::kFloat).chunk(2, 1);
  at::Tensor mean = moments[0], log_variance = moments[1].clamp(-20, 10);
  at::Tensor z = mean + (log_variance * 0.5).exp() * at::randn(mean.sizes(), noise, at::kFloat).to(o.device);
  at::Tensor error = autoencoder.Decode(z).to(at::kFloat) - x;
  at::Tensor kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean();
  // The error of 8×8 areas counts again: it is what a wrong hue leaves when the edges are right.
  at::Tensor area = at::avg_pool2d(error, {8, 8});
  return error.abs().mean() + 2 * error.square().mean() + 2 * area.abs().mean() + o.kl_weight * kl;
}

}  // namespace

at::Tensor AllPixels(const EmojiDataset& dataset, c10::Device device) {
  std::vector<at::Tensor> pixels;
  for (const EmojiPicture& picture : dataset.pictures()) pixels.push_back(picture.pixels);
  return at::stack(pixels).to(device).to(at::kFloat) / 127.5 - 1;
}

double ReconstructionPsnr(const Autoencoder& autoencoder, const at::Tensor& pictures) {
  c10::NoGradGuard no_grad;
  double sum = 0;
  for (const at::Tensor& part : pictures.split(32)) {
    at::Tensor out = autoencoder.Decode(autoencoder.Encode(part)).to(at::kFloat).clamp(-1, 1);
    sum += (-10 * ((out - part) / 2).square().mean({1, 2, 3}).clamp_min(1e-10).log10()).sum().item<double>();
  }
  return sum / pictures.size(0);
}

absl::Status TrainAutoencoder(const EmojiDataset& dataset, const AutoencoderStageOptions& o) {
  const AutoencoderKLParams params = ShippedParams();
  TrainableWeights weights(o.seed, o.device);
  AutoencoderKL autoencoder(params, Weights(&weights));
  OptimizerOptions optimizer_options;
  optimizer_options.adam_rate = o.rate;
  optimizer_options.use_muon = false;
  Optimizer optimizer(weights.parameters(), optimizer_options);
  Ema ema(weights.parameters(), 0.995);
  const std::string state = o.work + "/autoencoder.safetensors";
  absl::Status loaded = LoadRun(state, weights, ema, optimizer);
  if (!loaded.ok() && !absl::IsNotFound(loaded)) return loaded;
  std::printf("autoencoder: %.2f M parameters, from step %ld\n", weights.count() / 1e6, optimizer.steps());

  at::Tensor pixels = AllPixels(dataset, o.device);
  const int64_t count = pixels.size(0);
  const int64_t first = optimizer.steps();
  Progress progress("autoencoder", first, o.steps, o.batch);
  for (int64_t step = first; step < o.steps; ++step) {
    at::Tensor x = pixels.index_select(0, at::tensor(BatchIndices(step, o.batch, count, o.seed), at::kLong).to(o.device))
                       .contiguous(at::MemoryFormat::ChannelsLast);
    const std::vector<at::Tensor> parts = x.split(o.batch / kParts);
    std::vector<double> losses(parts.size());
    ParallelFor(parts.size(), o.threads, [&](int i) {
      at::Generator noise = at::detail::createCPUGenerator((o.seed * 7919 + step) * kParts + i);
      at::Tensor loss = Loss(autoencoder, parts[i], noise, o) / static_cast<double>(parts.size());
      loss.backward();
      losses[i] = loss.item<double>();
    });
    optimizer.Step(RateAt(step, o.steps, 100, 0.7), o.threads);
    ema.Update(step);
    progress.Step(step, std::accumulate(losses.begin(), losses.end(), 0.0));
    if ((step + 1) % o.save_every == 0 || step + 1 == o.steps) {
      EASEL_RETURN_IF_ERROR(SaveRun(state, weights, ema, optimizer));
    }
  }

  c10::NoGradGuard no_grad;
  NamedTensors averages = ema.averages();
  EASEL_RETURN_IF_ERROR(CopyTensors(averages, weights.parameters()));
  NormalizeLatents(autoencoder, pixels, averages);
  EASEL_RETURN_IF_ERROR(CopyTensors(averages, weights.parameters()));
  std::vector<at::Tensor> shown;
  at::Tensor some = pixels.slice(0, 0, count, std::max<int64_t>(1, count / 40)).slice(0, 0, 40);
  at::Tensor again = autoencoder.Decode(autoencoder.Encode(some));
  for (int64_t i = 0; i < some.size(0); ++i) {
    shown.push_back(some[i]);
    shown.push_back(again[i]);
  }
  EASEL_RETURN_IF_ERROR(WritePictureGrid(o.work + "/autoencoder.png", shown, 10));
  std::printf("autoencoder: %.2f dB over %ld pictures\n", ReconstructionPsnr(autoencoder, pixels), count);
  return WriteAutoencoder(o.out + "/vae", params, averages, autoencoder, pixels);
}

}  // namespace easel
