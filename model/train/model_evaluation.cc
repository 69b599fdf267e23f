#include "model/train/model_evaluation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <mutex>

#include "model/io/checkpoint.h"
#include "model/io/status_macros.h"
#include "model/pipeline.h"
#include "model/train/autoencoder_stage.h"
#include "model/train/evaluation.h"
#include "model/train/parallel.h"
#include "model/train/picture_grid.h"

namespace easel {
namespace {

// Words of the captions in pairs that no caption has: what the model makes of them is shown, not scored.
constexpr const char* kUnseenPrompts[] = {"blue car",     "green apple tree", "purple heart on fire", "red fish",
                                          "yellow house", "pink elephant",    "pizza with a hat",     "black cat on the moon",
                                          "blue banana",  "green dog"};

at::Tensor ToPixels(const Image& image) {
  at::Tensor bytes = at::from_blob(const_cast<uint8_t*>(image.rgb.data()), {image.height, image.width, 3}, at::kByte);
  return bytes.permute({2, 0, 1}).to(at::kFloat) / 127.5 - 1;
}

}  // namespace

absl::Status EvaluateModel(const EmojiDataset& dataset, const ModelEvaluationOptions& o) {
  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<Pipeline> pipeline, Pipeline::Load(o.model, {}));
  const ModelInfo& info = pipeline->info();
  std::mutex failure_mutex;
  absl::Status failure;
  Draw draw = [&](const std::vector<DrawRequest>& requests) {
    std::vector<at::Tensor> pictures(requests.size(), at::zeros({3, info.default_height, info.default_width}));
    ParallelFor(requests.size(), o.threads, [&](int i) {
      GenerationSpec spec;
      spec.prompt = requests[i].prompt;
      spec.class_label = requests[i].class_label;
      spec.width = info.default_width;
      spec.height = info.default_height;
      spec.num_inference_steps = info.default_steps;
      spec.guidance_scale = info.default_guidance_scale;
      spec.flow_shift = info.default_flow_shift;
      spec.sampler = info.samplers.front();
      spec.seed = requests[i].seed;
      absl::StatusOr<Image> image = pipeline->Generate(spec);
      if (image.ok()) {
        pictures[i] = ToPixels(*image);
      } else {
        std::lock_guard<std::mutex> lock(failure_mutex);
        failure = image.status();
      }
    });
    return pictures;
  };

  EASEL_ASSIGN_OR_RETURN(JsonObject config, JsonObject::Open(o.model + "/vae/config.json"));
  EASEL_ASSIGN_OR_RETURN(AutoencoderKLParams vae, AutoencoderKLParams::FromConfig(config));
  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(o.model + "/vae", at::kCPU, at::kFloat));
  AutoencoderKL autoencoder(vae, Weights(checkpoint.get()));
  EASEL_RETURN_IF_ERROR(checkpoint->Finish());
  at::Tensor pixels = AllPixels(dataset, at::kCPU);
  std::printf("autoencoder: %.2f dB over %ld pictures\n", ReconstructionPsnr(autoencoder, pixels), pixels.size(0));

  Evaluation e = Evaluate(dataset, pixels, o.names, o.per_class, o.unconditional, draw);
  EASEL_RETURN_IF_ERROR(failure);
  std::printf("names: of %d, the nearest picture is the one named for %.1f %%, among the nearest five for %.1f %%\n", e.names,
              100 * e.name_first, 100 * e.name_among_five);
  std::printf("classes: of %d requests, the nearest picture is of the class for %.1f %%\n", e.classes, 100 * e.class_right);
  std::printf("nothing asked for: of %d pictures, %.1f %% are as near to a training picture as 95 %% of the named ones; they are of %d different "
              "things\n", e.unconditional, 100 * e.unconditional_clean, e.unconditional_different);
  if (o.grids.empty()) return absl::OkStatus();
  EASEL_RETURN_IF_ERROR(WritePictureGrid(o.grids + "/names.png", e.name_pictures, 20));
  EASEL_RETURN_IF_ERROR(WritePictureGrid(o.grids + "/classes.png", e.class_pictures, 2 * o.per_class));
  EASEL_RETURN_IF_ERROR(WritePictureGrid(o.grids + "/unconditional.png", e.unconditional_pictures, 20));
  std::vector<DrawRequest> unseen;
  for (const char* prompt : kUnseenPrompts) unseen.push_back({prompt, std::nullopt, 1});
  EASEL_RETURN_IF_ERROR(WritePictureGrid(o.grids + "/unseen.png", draw(unseen), 10));
  return failure;
}

}  // namespace easel
