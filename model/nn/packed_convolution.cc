#include "model/nn/packed_convolution.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/nn/kernels/kernels.h"
#include "model/nn/spread.h"

namespace easel {
namespace {

constexpr int64_t kTaps = 16;
constexpr int64_t kTilesAtOnce = 128;    // whose taps stay in the third-level cache, and which suffice to read the weights for
constexpr int64_t kPixelsAtOnce = 128;   // whose channels stay in the second-level cache between two passes
constexpr int64_t kFewestChannels = 16;  // below, tiles cost more than they save

bool Fits(const at::Tensor& x) { return x.device().is_cpu() && x.scalar_type() == at::kFloat; }

at::Tensor ChannelsLast(const at::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

at::Tensor EmptyPictures(at::IntArrayRef shape, const at::Tensor& like) {
  return at::empty(shape, like.options().memory_format(at::MemoryFormat::ChannelsLast));
}

}  // namespace

Conv3x3::Conv3x3(const Weights& weights, int64_t in, int64_t out, Packing packing)
    : in(in),
      out(out),
      weight(weights.Take("weight", {out, in, 3, 3}, Init::kKaimingUniform)),
      bias(weights.Take("bias", {out}, Init::kZeros)) {
  const CpuKernels* kernels = FastestCpuKernels();
  if (packing == Packing::kNo || kernels == nullptr || !Fits(weight) || weight.requires_grad() || !weight.is_contiguous() ||
      std::min(in, out) < kFewestChannels) {
    return;
  }
  const int64_t panels = (out + kernels->panel - 1) / kernels->panel;
  packed = at::empty({kTaps * panels * kernels->panel * in}, at::kFloat);
  kernels->pack_convolution(weight.const_data_ptr<float>(), out, in, packed.mutable_data_ptr<float>());
  bias = bias.contiguous();
  weight = at::Tensor();
}

at::Tensor Conv3x3::operator()(const at::Tensor& x, const at::Tensor& add) const {
  if (packed.defined()) return Packed(x, /*doubled=*/false, add);
  const at::Tensor y = at::conv2d(x, weight, bias, {1, 1}, {1, 1});
  return add.defined() ? y + add : y;
}

at::Tensor Conv3x3::OfDoubled(const at::Tensor& x) const {
  if (packed.defined()) return Packed(x, /*doubled=*/true, {});
  return at::conv2d(at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}), weight, bias, {1, 1}, {1, 1});
}

at::Tensor Conv3x3::Packed(const at::Tensor& x, bool doubled, const at::Tensor& add) const {
  TORCH_CHECK(Fits(x) && x.dim() == 4 && x.size(1) == in, "a packed convolution of ", in, " channels cannot take ", x.sizes(), " of ",
              x.scalar_type());
  TORCH_CHECK(!(x.requires_grad() && at::GradMode::is_enabled()), "a packed convolution is not to be trained through");
  const int64_t times = doubled ? 2 : 1, height = times * x.size(2), width = times * x.size(3);
  const int64_t tiles = (height + 1) / 2 * ((width + 1) / 2);
  const at::Tensor from = ChannelsLast(x), added = add.defined() ? ChannelsLast(add) : add;
  at::Tensor y = EmptyPictures({x.size(0), out, height, width}, x);
  for (int64_t picture = 0; picture < x.size(0); ++picture) {
    const float* source = from.const_data_ptr<float>() + picture * x.size(2) * x.size(3) * in;
    const float* addend = added.defined() ? added.const_data_ptr<float>() + picture * height * width * out : nullptr;
    float* target = y.mutable_data_ptr<float>() + picture * height * width * out;
    InPieces(tiles, kTilesAtOnce, [&](int64_t begin, int64_t end) {
      at::Tensor scratch = at::empty({kTaps * (end - begin) * (in + out)}, at::kFloat);
      FastestCpuKernels()->convolve(source, height, width, in, doubled, packed.const_data_ptr<float>(), bias.const_data_ptr<float>(),
                                    addend, out, begin, end - begin, scratch.mutable_data_ptr<float>(), target);
    });
  }
  return y;
}

Conv1x1::Conv1x1(const Weights& weights, int64_t in, int64_t out, Packing packing)
    : weight(weights.Take("weight", {out, in, 1, 1}, Init::kKaimingUniform)), bias(weights.Take("bias", {out}, Init::kZeros)) {
  if (packing == Packing::kYes) packed = PackedWeight(weight.flatten(1));
  if (!packed.defined()) return;
  bias = bias.contiguous();
  weight = at::Tensor();
}

at::Tensor Conv1x1::operator()(const at::Tensor& x) const {
  if (!packed.defined()) return at::conv2d(x, weight, bias);
  const at::Tensor y = packed.Multiply(x.permute({0, 2, 3, 1}), bias);  // (B·H·W, out)
  return y.view({x.size(0), x.size(2), x.size(3), packed.out()}).permute({0, 3, 1, 2});
}

at::Tensor SiluOfNorm(const GroupNorm& norm, const at::Tensor& x) {
  const CpuKernels* kernels = FastestCpuKernels();
  const bool training = at::GradMode::is_enabled() && (x.requires_grad() || norm.weight.requires_grad());
  if (kernels == nullptr || training || !Fits(x) || !Fits(norm.weight)) return at::silu(norm(x));
  const int64_t channels = x.size(1), pixels = x.size(2) * x.size(3), pieces = (pixels + kPixelsAtOnce - 1) / kPixelsAtOnce;
  const int64_t wide = channels / norm.groups;  // channels of a group
  const at::Tensor from = ChannelsLast(x), weight = norm.weight.contiguous(), bias = norm.bias.contiguous();
  at::Tensor y = EmptyPictures(x.sizes(), x);
  std::vector<float> sums(pieces * channels), squares(pieces * channels), scale(channels), shift(channels);
  for (int64_t picture = 0; picture < x.size(0); ++picture) {
    const float* source = from.const_data_ptr<float>() + picture * pixels * channels;
    float* target = y.mutable_data_ptr<float>() + picture * pixels * channels;
    InPieces(pixels, kPixelsAtOnce, [&](int64_t begin, int64_t end) {
      const int64_t at = begin / kPixelsAtOnce * channels;
      kernels->channel_moments(source + begin * channels, end - begin, channels, &sums[at], &squares[at]);
    });
    for (int64_t group = 0; group < norm.groups; ++group) {
      // Over all pieces and channels of the group: the mean, then the sum of squares about it.
      auto sum_over = [&](auto term) {
        double total = 0;
        for (int64_t piece = 0; piece < pieces; ++piece) {
          const double count = std::min(pixels - piece * kPixelsAtOnce, kPixelsAtOnce);
          for (int64_t c = group * wide; c < (group + 1) * wide; ++c) total += term(piece * channels + c, count);
        }
        return total;
      };
      const double numbers = static_cast<double>(pixels) * wide;
      const double mean = sum_over([&](int64_t i, double) { return sums[i]; }) / numbers;
      const double variance = sum_over([&](int64_t i, double count) {
        const double off = sums[i] / count - mean;
        return squares[i] + count * off * off;
      }) / numbers;
      for (int64_t c = group * wide; c < (group + 1) * wide; ++c) {
        const double factor = weight.const_data_ptr<float>()[c] / std::sqrt(variance + norm.eps);
        scale[c] = static_cast<float>(factor);
        shift[c] = static_cast<float>(bias.const_data_ptr<float>()[c] - mean * factor);
      }
    }
    InPieces(pixels, kPixelsAtOnce, [&](int64_t begin, int64_t end) {
      kernels->scaled_silu(source + begin * channels, end - begin, channels, scale.data(), shift.data(), target + begin * channels);
    });
  }
  return y;
}

}  // namespace easel
