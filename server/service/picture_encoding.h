// From the engine's pixels to what is sent, as a plan asks for it. Pure functions, which take milliseconds:
// for the codec threads.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "easel/v1/image_generation.pb.h"
#include "model/image.h"
#include "server/service/generation_state.h"
#include "server/service/proto_conversion.h"

namespace easel {

// A preview is not cut in pieces, but made smaller until it fits.
inline constexpr size_t kMaxPreviewBytes = size_t{3} << 20;

// Without bytes where it cannot be written (a WebP over 16,383 pixels a side).
v1::PreviewImage EncodePreview(const GenerationPlan& plan, int step, Image image);

absl::StatusOr<PictureFile> EncodePicture(const GenerationPlan& plan, int index, const Image& image);

}  // namespace easel
