// Pictures of a reference, and what they were asked with: cases.json and pictures.safetensors of a part in
// tests/golden/parts/.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/generation_spec.h"
#include "model/image.h"
#include "model/io/json.h"
#include "model/model_info.h"

namespace easel {

// What the case does not say is the model's default; guidance is off unless it says so.
GenerationSpec ReadGoldenSpec(JsonObject& golden, const ModelInfo& info);

// The largest difference of a level, `picture` being (H, W, 3) bytes; 256 where their sizes differ.
int MaxDifference(const Image& image, const at::Tensor& picture);

}  // namespace easel
