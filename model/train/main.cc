// easel-train: makes the shipped model (model/train/README.md has the command).
#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "model/train/autoencoder_stage.h"
#include "model/train/denoiser_stage.h"
#include "model/train/model_evaluation.h"

int main(int argc, char** argv) {
  CLI::App app{"Trains Easel's own model on the pictures of Noto Color Emoji. A run goes on where it was stopped.\n\n"
               "  easel-train autoencoder --work run --out model      # first stage: pictures <-> latents\n"
               "  easel-train denoiser --work run --out model         # second stage: words and classes -> latents\n"
               "  easel-train evaluate --model model --grids run      # how often a picture is the one asked for",
               "easel-train"};
  app.require_subcommand(1);
  std::string work = "run", out = "model", device = "cpu";
  int threads = 0;
  bool float32 = false;
  easel::AutoencoderStageOptions autoencoder;
  easel::DenoiserStageOptions denoiser;

  auto common = [&](CLI::App* command) {
    command->add_option("--work", work, "directory of the run's state and sample grids")->capture_default_str();
    command->add_option("--out", out, "model directory to write")->capture_default_str();
    command->add_option("--device", device, "cpu or cuda:0")->capture_default_str();
    command->add_option("--threads", threads, "CPU threads (0: as many as cores)")->capture_default_str();
    command->add_flag("--float32", float32, "compute in float32, not bfloat16 (for CPUs without bfloat16 products)");
  };
  CLI::App* ae = app.add_subcommand("autoencoder", "train the autoencoder");
  common(ae);
  ae->add_option("--steps", autoencoder.steps, "in all, with those of an earlier start")->capture_default_str();
  ae->add_option("--batch", autoencoder.batch)->capture_default_str();
  ae->add_option("--rate", autoencoder.rate, "learning rate")->capture_default_str();
  ae->add_option("--seed", autoencoder.seed)->capture_default_str();
  CLI::App* dn = app.add_subcommand("denoiser", "train text encoder and DiT");
  common(dn);
  dn->add_option("--from", denoiser.from, "model directory whose text encoder and transformer a new run starts with");
  dn->add_option("--steps", denoiser.steps, "in all, with those of an earlier start")->capture_default_str();
  dn->add_option("--batch", denoiser.batch)->capture_default_str();
  dn->add_option("--adam-rate", denoiser.adam_rate)->capture_default_str();
  dn->add_option("--muon-rate", denoiser.muon_rate)->capture_default_str();
  dn->add_option("--decay", denoiser.decay_share, "share of the steps, at the end, over which the rates fall to 0")->capture_default_str();
  dn->add_option("--grid-every", denoiser.grid_every, "steps between sample grids")->capture_default_str();
  dn->add_option("--seed", denoiser.seed)->capture_default_str();
  easel::ModelEvaluationOptions evaluation;
  CLI::App* ev = app.add_subcommand("evaluate", "compare what a model draws with the pictures it learnt from");
  ev->add_option("--model", evaluation.model, "model directory")->required();
  ev->add_option("--grids", evaluation.grids, "directory to write sample grids to");
  ev->add_option("--names", evaluation.names, "how many names to ask for")->capture_default_str();
  ev->add_option("--per-class", evaluation.per_class, "pictures of each class")->capture_default_str();
  ev->add_option("--unconditional", evaluation.unconditional, "pictures of nothing in particular")->capture_default_str();
  ev->add_option("--threads", threads, "CPU threads (0: as many as cores)")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  at::set_num_threads(1);  // a thread computes its part of a step alone (parallel.h)
  autoencoder.threads = denoiser.threads = threads;
  absl::StatusOr<easel::EmojiDataset> dataset = easel::EmojiDataset::Load({});
  absl::Status status = dataset.status();
  if (status.ok()) {
    if (ev->parsed()) {
      evaluation.threads = threads;
      status = easel::EvaluateModel(*dataset, evaluation);
    } else {
      std::error_code ignored;  // a directory that cannot be made shows when a file in it is written
      std::filesystem::create_directories(work, ignored);
      std::filesystem::create_directories(out, ignored);
      autoencoder.work = denoiser.work = work;
      autoencoder.out = denoiser.out = out;
      autoencoder.device = denoiser.device = c10::Device(device);
      autoencoder.bfloat16 = denoiser.bfloat16 = !float32;
      status = ae->parsed() ? easel::TrainAutoencoder(*dataset, autoencoder) : easel::TrainDenoiser(*dataset, denoiser);
    }
  }
  if (!status.ok()) {
    std::fprintf(stderr, "easel-train: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
