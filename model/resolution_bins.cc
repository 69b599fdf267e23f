#include "model/resolution_bins.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace easel {
namespace {

// Ratio, width, height for a sample_size of 128. Those for 64 and 32 are these sizes divided by 2 and by 4.
constexpr ResolutionBin kBins1024[] = {
    {0.25, {2048, 512}}, {0.28, {1856, 512}}, {0.32, {1792, 576}}, {0.33, {1728, 576}}, {0.35, {1664, 576}},
    {0.4, {1600, 640}},  {0.42, {1536, 640}}, {0.48, {1472, 704}}, {0.5, {1408, 704}},  {0.52, {1344, 704}},
    {0.57, {1344, 768}}, {0.6, {1280, 768}},  {0.68, {1216, 832}}, {0.72, {1152, 832}}, {0.78, {1152, 896}},
    {0.82, {1088, 896}}, {0.88, {1088, 960}}, {0.94, {1024, 960}}, {1, {1024, 1024}},   {1.07, {960, 1024}},
    {1.13, {960, 1088}}, {1.21, {896, 1088}}, {1.29, {896, 1152}}, {1.38, {832, 1152}}, {1.46, {832, 1216}},
    {1.67, {768, 1280}}, {1.75, {768, 1344}}, {2, {704, 1408}},    {2.09, {704, 1472}}, {2.4, {640, 1536}},
    {2.5, {640, 1600}},  {3, {576, 1728}},    {4, {512, 2048}}};

// For a sample_size of 256.
constexpr ResolutionBin kBins2048[] = {
    {0.25, {4096, 1024}}, {0.26, {3968, 1024}}, {0.27, {3840, 1024}}, {0.28, {3712, 1024}},
    {0.32, {3584, 1152}}, {0.33, {3456, 1152}}, {0.35, {3328, 1152}}, {0.4, {3200, 1280}},
    {0.42, {3072, 1280}}, {0.48, {2944, 1408}}, {0.5, {2816, 1408}},  {0.52, {2688, 1408}},
    {0.57, {2688, 1536}}, {0.6, {2560, 1536}},  {0.68, {2432, 1664}}, {0.72, {2304, 1664}},
    {0.78, {2304, 1792}}, {0.82, {2176, 1792}}, {0.88, {2176, 1920}}, {0.94, {2048, 1920}},
    {1, {2048, 2048}},    {1.07, {1920, 2048}}, {1.13, {1920, 2176}}, {1.21, {1792, 2176}},
    {1.29, {1792, 2304}}, {1.38, {1664, 2304}}, {1.46, {1664, 2432}}, {1.67, {1536, 2560}},
    {1.75, {1536, 2688}}, {2, {1408, 2816}},    {2.09, {1408, 2944}}, {2.4, {1280, 3072}},
    {2.5, {1280, 3200}},  {2.89, {1152, 3328}}, {3, {1152, 3456}},    {3.11, {1152, 3584}},
    {3.62, {1024, 3712}}, {3.75, {1024, 3840}}, {3.88, {1024, 3968}}, {4, {1024, 4096}}};

}  // namespace

std::vector<ResolutionBin> PixArtResolutionBins(int64_t sample_size) {
  if (sample_size == 256) return {std::begin(kBins2048), std::end(kBins2048)};
  if (sample_size != 128 && sample_size != 64 && sample_size != 32) return {};
  std::vector<ResolutionBin> bins(std::begin(kBins1024), std::end(kBins1024));
  const int divisor = static_cast<int>(128 / sample_size);
  for (ResolutionBin& bin : bins) bin.size = {bin.size.width / divisor, bin.size.height / divisor};
  return bins;
}

PictureSize ClosestBin(const std::vector<ResolutionBin>& bins, const PictureSize& size) {
  const double ratio = static_cast<double>(size.height) / size.width;
  const auto closer = [ratio](const ResolutionBin& a, const ResolutionBin& b) {
    return std::abs(a.ratio - ratio) < std::abs(b.ratio - ratio);
  };
  return std::min_element(bins.begin(), bins.end(), closer)->size;
}

at::Tensor ResizedAndCropped(const at::Tensor& pixels, const PictureSize& size) {
  const int64_t height = pixels.size(2), width = pixels.size(3);
  if (height == size.height && width == size.width) return pixels;
  const double ratio =
      std::max(static_cast<double>(size.height) / height, static_cast<double>(size.width) / width);
  // At least what is asked for: by rounding the product can fall just short of it.
  const int64_t resized_height = std::max<int64_t>(static_cast<int64_t>(height * ratio), size.height);
  const int64_t resized_width = std::max<int64_t>(static_cast<int64_t>(width * ratio), size.width);
  const at::Tensor resized =
      at::upsample_bilinear2d(pixels, {resized_height, resized_width}, /*align_corners=*/false);
  const int64_t top = (resized_height - size.height) / 2, left = (resized_width - size.width) / 2;
  return resized.narrow(2, top, size.height).narrow(3, left, size.width);
}

}  // namespace easel
