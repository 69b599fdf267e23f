#include "tests/testing/golden_pictures.h"

#include <ATen/ATen.h>

namespace easel {

GenerationSpec ReadGoldenSpec(JsonObject& golden, const ModelInfo& info) {
  GenerationSpec spec;
  if (golden.Has("prompt")) spec.prompt = golden.String("prompt");
  if (golden.Has("class_label")) spec.class_label = golden.Int("class_label");
  spec.negative_prompt = golden.String("negative_prompt", "");
  spec.width = static_cast<int>(golden.Int("width", info.default_width));
  spec.height = static_cast<int>(golden.Int("height", info.default_height));
  spec.num_inference_steps = static_cast<int>(golden.Int("num_inference_steps"));
  spec.guidance_scale = golden.Number("guidance_scale", 1);
  spec.true_cfg_scale = golden.Number("true_cfg_scale", 1);
  spec.guidance_rescale = golden.Number("guidance_rescale", 0);
  spec.seed = golden.Int("seed");
  spec.sampler = golden.String("sampler", info.samplers.front());
  spec.flow_shift = golden.Number("flow_shift", info.default_flow_shift);
  return spec;
}

int MaxDifference(const Image& image, const at::Tensor& picture) {
  const at::Tensor ours = at::tensor(image.rgb, at::kByte).view({image.height, image.width, 3});
  if (ours.sizes() != picture.sizes()) return 256;
  return (ours.to(at::kInt) - picture.to(at::kInt)).abs().max().item<int>();
}

}  // namespace easel
