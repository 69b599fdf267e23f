// use_resolution_binning of PixArt's pipelines: a picture is made in the size of a table whose shape is
// closest to that asked for, then resized and cut to it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace easel {

struct PictureSize {
  int width = 0, height = 0;  // pixels
};

struct ResolutionBin {
  double ratio;  // height / width, rounded as in the table: the shape that it stands for
  PictureSize size;
};

// Those of pipeline_pixart_alpha.py and pipeline_pixart_sigma.py for a network of this sample_size: 32, 64,
// 128 or 256. Empty for any other, where those pipelines make no pictures with binning.
std::vector<ResolutionBin> PixArtResolutionBins(int64_t sample_size);

// REQUIRES: bins not empty; a size of at least 1 × 1.
PictureSize ClosestBin(const std::vector<ResolutionBin>& bins, const PictureSize& size);

// Pixels (B, C, H, W) scaled, in proportion, to the smallest that covers `size`, and its middle cut out; as
// they are where they have that size. (PixArtImageProcessor.resize_and_crop_tensor)
at::Tensor ResizedAndCropped(const at::Tensor& pixels, const PictureSize& size);

}  // namespace easel
