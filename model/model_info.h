// What a model says of itself: plain values, for whoever must not see a tensor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace easel {

inline constexpr int kMaxPictureSide = 16384;  // pixels, where a network's positions set no limit

// What a caller may ask of a model, and what it gets when it does not ask.
struct ModelInfo {
  std::string family;       // _class_name of model_index.json
  std::string transformer;  // the network's class, for example EaselDiT
  int default_width = 0, default_height = 0;
  int size_multiple = 1;   // width and height must be multiples of it
  bool fixed_size = true;  // only the default size can be made
  int max_side = kMaxPictureSide;  // largest width and height
  int default_steps = 50;
  double default_guidance_scale = 1;
  double default_flow_shift = 1;
  bool takes_flow_shift = true;  // else the shift follows from the size, or there is none
  bool takes_prompt = false, takes_class = false, takes_negative_prompt = false, takes_guidance = false;
  bool takes_unconditional = false;
  bool takes_true_cfg = false;  // negative prompts go with true_cfg_scale, not with guidance_scale
  int max_prompt_tokens = 0;  // with the special ones; 0: takes no prompt
  int num_classes = 0;
  std::vector<std::vector<std::string>> class_names;  // by label: the names a class answers to; may be empty
  std::vector<std::string> samplers;                  // the first is the default
  std::vector<std::string> preview_methods;           // of "linear", "decoder"; the first is the default
  int latent_channels = 0, latent_downscale = 1;
  int64_t weight_bytes = 0;
};

}  // namespace easel
