#include "model/train/denoiser_stage.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <random>

#include "absl/strings/str_cat.h"
#include "model/conditioning/clip_tokenizer.h"
#include "model/io/checkpoint.h"
#include "model/io/status_macros.h"
#include "model/train/autoencoder_stage.h"
#include "model/train/bpe_trainer.h"
#include "model/train/captions.h"
#include "model/train/evaluation.h"
#include "model/train/mixed_precision.h"
#include "model/train/model_writer.h"
#include "model/train/noise_coupling.h"
#include "model/train/parallel.h"
#include "model/train/picture_grid.h"
#include "model/train/progress.h"
#include "model/train/run_state.h"

namespace easel {
namespace {

constexpr int64_t kVocabulary = 1500;
constexpr int64_t kMaxTokens = 24;
constexpr int kParts = 4;  // of a batch, for the CPU threads
constexpr int kDefaultSteps = 30;
constexpr double kDefaultGuidance = 5;

// Shares of the training rows by what they are conditioned on; the rest has nothing.
constexpr double kTextShare = 0.30, kClassShare = 0.36, kBothShare = 0.06;

// The recall is trained on rows of its own, which cost a thousandth of the network's: alone before the first step, and in every
// step a few more.
constexpr int64_t kRecallRows = 1024, kRecallRowsBesides = 256;
constexpr int kRecallFirstSteps = 1000;
constexpr double kRecallRate = 2e-3, kRecallLossWeight = 0.1;
constexpr double kRecallTimeMean = 1;  // t = sigmoid(N(this, 1))

// Everything that is trained in this stage.
struct Networks {
  Networks(const EaselDiTParams& dit, const ClipTextParams& text, uint64_t seed, c10::Device device)
      : weights(seed, device),
        transformer(dit, Weights(&weights) / "transformer"),
        text_encoder(text, Weights(&weights) / "text_encoder") {}

  // Rows whose `has_text` is false get zeros and an empty mask, as EaselDiT wants them.
  Conditioning Condition(const at::Tensor& ids, const at::Tensor& mask, const at::Tensor& has_text, const at::Tensor& labels) const {
    TextFeatures features = text_encoder.Forward(ids, mask);
    at::Tensor present = has_text.to(features.hidden.dtype());
    Conditioning c;
    c.text = features.hidden * present.reshape({-1, 1, 1});
    c.pooled = features.pooled * present.to(features.pooled.dtype()).unsqueeze(1);
    c.text_mask = mask.logical_and(has_text.unsqueeze(1));
    c.label = labels;
    return c;
  }

  TrainableWeights weights;
  EaselDiT transformer;
  ClipTextEncoder text_encoder;
};

absl::Status TrainTokenizer(const EmojiDataset& dataset, const std::string& directory) {
  std::vector<std::string> lines;
  for (const EmojiPicture& picture : dataset.pictures()) {
    for (int i = 0; i < 4; ++i) lines.push_back(picture.name);  // names weigh more than keywords
    for (const std::string& keyword : picture.keywords) lines.push_back(keyword);
  }
  return TrainBpe(lines, kVocabulary, kMaxTokens, directory);
}

struct Batch {
  at::Tensor ids, mask, has_text, labels, indices;
};

// A group for each class, and one of all pictures: the null class's.
NoiseCoupling CoupleByClass(const EmojiDataset& dataset, const at::Tensor& latents, uint64_t seed) {
  std::vector<std::vector<int64_t>> groups(dataset.class_names().size() + 1);
  for (size_t i = 0; i < dataset.pictures().size(); ++i) {
    groups[dataset.pictures()[i].label].push_back(i);
    groups.back().push_back(i);
  }
  return NoiseCoupling(latents, std::move(groups), seed);
}

// The captions and labels of the pictures, with parts dropped by the shares above. Without text, the picture is the one of its
// group that the row's noise becomes.
Batch MakeBatch(const EmojiDataset& dataset, const Tokenizer& tokenizer, const NoiseCoupling& coupling, const at::Tensor& noise,
                std::vector<int64_t> indices, std::mt19937_64& random) {
  const CaptionSampler captions;
  const int64_t null_class = dataset.class_names().size();
  std::vector<int64_t> ids, labels;
  std::vector<uint8_t> mask, has_text;
  std::uniform_real_distribution<double> uniform;
  for (size_t row = 0; row < indices.size(); ++row) {
    const EmojiPicture& picture = dataset.pictures()[indices[row]];
    const double u = uniform(random);
    const bool both = u < kBothShare;
    const bool text = both || u < kBothShare + kTextShare;
    const bool label = both || (u >= kBothShare + kTextShare && u < kBothShare + kTextShare + kClassShare);
    Tokens tokens = tokenizer.Tokenize(text ? captions.Sample(picture, random) : "");
    ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
    mask.insert(mask.end(), tokens.mask.begin(), tokens.mask.end());
    has_text.push_back(text);
    labels.push_back(label ? picture.label : null_class);
    if (!text) indices[row] = coupling.PictureOf(noise[row], labels.back());
  }
  const int64_t b = indices.size();
  return {at::tensor(ids, at::kLong).reshape({b, -1}), at::tensor(mask, at::kByte).to(at::kBool).reshape({b, -1}),
          at::tensor(has_text, at::kByte).to(at::kBool), at::tensor(labels, at::kLong), at::tensor(indices, at::kLong)};
}

// What the recall ought to say: cross entropy of the picture that a noise becomes, on rows without text, half with a class.
at::Tensor RecallLoss(const EaselDiT& transformer, const EmojiDataset& dataset, const NoiseCoupling& coupling,
                      const at::Tensor& latents, int64_t count, at::Generator generator) {
  const int64_t null_class = dataset.class_names().size();
  std::vector<int64_t> labels(count, null_class), indices(count);
  at::Tensor noise = at::randn({count, latents.size(1), latents.size(2), latents.size(3)}, generator, at::kFloat);
  at::Tensor classes = at::randint(null_class, {count / 2}, generator, at::kLong);
  for (int64_t i = 0; i < count / 2; ++i) labels[i] = classes[i].item<int64_t>();
  std::vector<std::vector<int64_t>> rows(null_class + 1);
  for (int64_t i = 0; i < count; ++i) rows[labels[i]].push_back(i);
  for (int64_t label = 0; label <= null_class; ++label) {
    if (rows[label].empty()) continue;
    const std::vector<int64_t> pictures = coupling.PicturesOf(noise.index_select(0, at::tensor(rows[label], at::kLong)), label);
    for (size_t i = 0; i < pictures.size(); ++i) indices[rows[label][i]] = pictures[i];
  }
  at::Tensor target = at::tensor(indices, at::kLong).to(latents.device());
  noise = noise.to(latents.device());
  at::Tensor t = at::sigmoid(at::randn({count}, generator, at::kFloat) + kRecallTimeMean).to(latents.device());
  at::Tensor mix = t.reshape({-1, 1, 1, 1});
  at::Tensor scores = transformer.RecallScores((1 - mix) * latents.index_select(0, target) + mix * noise, t,
                                               at::tensor(labels, at::kLong).to(latents.device()));
  return at::cross_entropy_loss(scores.to(at::kFloat), target);
}

// Before the first step: each known picture is called what the text encoder makes of its name, and the recall alone learns to tell
// them apart.
void TrainRecall(const Networks& n, const Tokenizer& tokenizer, const EmojiDataset& dataset, const NoiseCoupling& coupling,
                 const at::Tensor& latents, const DenoiserStageOptions& o) {
  NamedTensors recall;
  for (const auto& [name, t] : n.weights.parameters()) {
    if (name.rfind("transformer.recall.", 0) != 0) continue;
    recall.emplace_back(name, t);
    if (name != "transformer.recall.value.weight") continue;
    c10::NoGradGuard no_grad;
    for (size_t i = 0; i < dataset.pictures().size(); ++i) {
      Tokens tokens = tokenizer.Tokenize(dataset.pictures()[i].name);
      at::Tensor ids = at::tensor(tokens.ids, at::kLong).unsqueeze(0).to(o.device);
      at::Tensor mask = at::tensor(std::vector<uint8_t>(tokens.mask.begin(), tokens.mask.end()), at::kByte);
      t.select(1, i).copy_(n.text_encoder.Forward(ids, mask.to(at::kBool).unsqueeze(0).to(o.device)).pooled[0]);
    }
  }
  OptimizerOptions options;
  options.adam_rate = kRecallRate;
  Optimizer optimizer(recall, options);
  Progress progress("recall", 0, kRecallFirstSteps, kRecallRows);
  at::set_num_threads(o.threads);
  for (int step = 0; step < kRecallFirstSteps; ++step) {
    MixedPrecision scope(o.device.type(), o.bfloat16);
    at::Generator generator = at::detail::createCPUGenerator(o.seed * 104729 + step);
    at::Tensor loss = RecallLoss(n.transformer, dataset, coupling, latents, kRecallRows, generator);
    loss.backward();
    optimizer.Step(RateAt(step, kRecallFirstSteps, 60, 0.5), o.threads);
    progress.Step(step, loss.item<double>());
  }
  at::set_num_threads(1);
  for (const auto& [name, t] : n.weights.parameters()) t.mutable_grad().reset();
}

// Draws with the networks at hand, guided, Euler, several rows a forward, on the run's threads.
std::vector<at::Tensor> DrawAll(const Networks& n, const Tokenizer& tokenizer, const Autoencoder& autoencoder,
                                const std::vector<DrawRequest>& requests, const DenoiserStageOptions& o, int64_t null_class) {
  const size_t rows = o.device.is_cpu() ? 8 : 128;
  const EaselDiTParams& p = n.transformer.params();
  std::vector<at::Tensor> pictures(requests.size());
  ParallelFor((requests.size() + rows - 1) / rows, o.threads, [&](int part) {
    c10::NoGradGuard no_grad;
    const size_t begin = part * rows, end = std::min(requests.size(), begin + rows);
    std::vector<int64_t> ids, labels;
    std::vector<uint8_t> mask, has_text;
    std::vector<at::Tensor> noise;
    for (size_t i = begin; i < end; ++i) {
      Tokens tokens = tokenizer.Tokenize(requests[i].prompt.value_or(""));
      ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
      mask.insert(mask.end(), tokens.mask.begin(), tokens.mask.end());
      has_text.push_back(requests[i].prompt.has_value());
      labels.push_back(requests[i].class_label.value_or(null_class));
      at::Generator generator = at::detail::createCPUGenerator(requests[i].seed);
      noise.push_back(at::randn({p.in_channels, p.img_size, p.img_size}, generator, at::kFloat));
    }
    const int64_t b = end - begin;
    MixedPrecision scope(o.device.type(), o.bfloat16);
    auto tensor = [&](const auto& values, at::ScalarType type) { return at::tensor(values).to(type).to(o.device); };
    at::Tensor all_ids = tensor(ids, at::kLong).reshape({b, -1}), all_mask = tensor(mask, at::kBool).reshape({b, -1});
    at::Tensor text = tensor(has_text, at::kBool), all_labels = tensor(labels, at::kLong);
    // Unconditional rows first, then the conditional ones: one forward for both.
    Conditioning c = n.Condition(at::cat({all_ids, all_ids}), at::cat({all_mask, all_mask}), at::cat({at::zeros_like(text), text}),
                                 at::cat({at::full_like(all_labels, null_class), all_labels}));
    at::Tensor x = at::stack(noise).to(o.device);
    for (int step = 0; step < kDefaultSteps; ++step) {
      const double t = 1 - static_cast<double>(step) / kDefaultSteps;
      at::Tensor v = n.transformer.Forward(at::cat({x, x}), at::full({2 * b}, t, x.options()), c).to(at::kFloat);
      at::Tensor uncond = v.narrow(0, 0, b), cond = v.narrow(0, b, b);
      x = x - (uncond + kDefaultGuidance * (cond - uncond)) / kDefaultSteps;
    }
    at::Tensor decoded = autoencoder.Decode(x).to(at::kFloat);
    for (int64_t i = 0; i < b; ++i) pictures[begin + i] = decoded[i];
  });
  return pictures;
}

NamedTensors Under(const std::string& prefix, const NamedTensors& tensors) {
  NamedTensors result;
  for (const auto& [name, t] : tensors) {
    if (name.rfind(prefix, 0) == 0) result.emplace_back(name.substr(prefix.size()), t);
  }
  return result;
}

// Parameters and averages of a finished model directory of the same shape, which is left as it is.
absl::Status StartFrom(const std::string& directory, const TrainableWeights& weights, const Ema& ema) {
  for (auto [component, file] : {std::pair{"transformer", "diffusion_pytorch_model"}, std::pair{"text_encoder", "model"}}) {
    const std::string prefix = absl::StrCat(component, ".");
    EASEL_ASSIGN_OR_RETURN(std::shared_ptr<const SafetensorsFile> saved,
                           SafetensorsFile::Open(absl::StrCat(directory, "/", component, "/", file, ".safetensors")));
    EASEL_RETURN_IF_ERROR(CopyFromFile(*saved, "", Under(prefix, weights.parameters())));
  }
  return CopyTensors(weights.parameters(), ema.averages());
}

}  // namespace

absl::Status TrainDenoiser(const EmojiDataset& dataset, const DenoiserStageOptions& o) {
  EASEL_ASSIGN_OR_RETURN(JsonObject config, JsonObject::Open(o.out + "/vae/config.json"));
  EASEL_ASSIGN_OR_RETURN(AutoencoderKLParams vae, AutoencoderKLParams::FromConfig(config));
  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(o.out + "/vae", o.device, at::kFloat));
  AutoencoderKL autoencoder(vae, Weights(checkpoint.get()));
  EASEL_RETURN_IF_ERROR(checkpoint->Finish());

  if (!std::filesystem::exists(o.out + "/tokenizer/vocab.json")) {
    EASEL_RETURN_IF_ERROR(TrainTokenizer(dataset, o.out + "/tokenizer"));
  }
  EASEL_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, ClipTokenizer::Load(o.out + "/tokenizer"));

  at::Tensor pixels = AllPixels(dataset, o.device);
  at::Tensor latents;  // (N, C, h, w), mean 0 and variance 1 a channel
  {
    c10::NoGradGuard no_grad;
    std::vector<at::Tensor> parts;
    for (const at::Tensor& part : pixels.split(64)) parts.push_back(autoencoder.Encode(part));
    latents = at::cat(parts);
  }
  const int64_t count = latents.size(0), null_class = dataset.class_names().size();

  ClipTextParams text;
  text.vocab_size = kVocabulary;
  text.hidden_size = 192;
  text.intermediate_size = 768;
  text.num_hidden_layers = 2;
  text.num_attention_heads = 4;
  text.max_position_embeddings = kMaxTokens;
  text.hidden_act = "gelu";
  text.eos_token_id = kVocabulary - 1;
  EaselDiTParams dit;
  dit.img_size = latents.size(2);
  dit.in_channels = latents.size(1);
  dit.num_classes = null_class;
  dit.context_dim = text.hidden_size;
  dit.recall_size = count;

  Networks networks(dit, text, o.seed, o.device);
  OptimizerOptions optimizer_options;
  optimizer_options.adam_rate = o.adam_rate;
  optimizer_options.muon_rate = o.muon_rate;
  Optimizer optimizer(networks.weights.parameters(), optimizer_options);
  Ema ema(networks.weights.parameters(), 0.998);
  const std::string state = o.work + "/denoiser.safetensors";
  absl::Status loaded = LoadRun(state, networks.weights, ema, optimizer);
  if (!loaded.ok() && !absl::IsNotFound(loaded)) return loaded;
  const NoiseCoupling coupling = CoupleByClass(dataset, latents, o.seed);
  if (!loaded.ok()) {
    if (!o.from.empty()) EASEL_RETURN_IF_ERROR(StartFrom(o.from, networks.weights, ema));
    TrainRecall(networks, *tokenizer, dataset, coupling, latents, o);
  }
  const int64_t first = optimizer.steps();
  std::printf("denoiser: %.2f M parameters, %ld pictures, %ld classes, from step %ld\n", networks.weights.count() / 1e6, count,
              null_class, first);

  // With the averages in place of the parameters: a grid to look at, a quick evaluation, and the model directory.
  auto show = [&](int64_t step) -> absl::Status {
    NamedTensors kept;
    for (const auto& [name, t] : networks.weights.parameters()) kept.emplace_back(name, t.detach().clone());
    EASEL_RETURN_IF_ERROR(CopyTensors(ema.averages(), networks.weights.parameters()));
    auto draw = [&](const std::vector<DrawRequest>& requests) {
      return DrawAll(networks, *tokenizer, autoencoder, requests, o, null_class);
    };
    Evaluation e = Evaluate(dataset, pixels, /*names=*/60, /*per_class=*/1, /*unconditional=*/20, draw);
    std::printf("denoiser: step %ld: of %d names %.1f %% nearest, %.1f %% among five; of %d class requests %.1f %%; of %d "
                "unconditional ones %.1f %% clean\n", step, e.names, 100 * e.name_first, 100 * e.name_among_five, e.classes,
                100 * e.class_right, e.unconditional, 100 * e.unconditional_clean);
    std::fflush(stdout);
    std::vector<at::Tensor> shown = e.name_pictures;
    shown.insert(shown.end(), e.class_pictures.begin(), e.class_pictures.end());
    shown.insert(shown.end(), e.unconditional_pictures.begin(), e.unconditional_pictures.end());
    EASEL_RETURN_IF_ERROR(WritePictureGrid(absl::StrCat(o.work, "/denoiser-", step, ".png"), shown, 20));
    DenoiserFiles files{dit, text, Under("transformer.", ema.averages()), Under("text_encoder.", ema.averages()),
                        dataset.class_names(), kDefaultSteps, kDefaultGuidance};
    EASEL_RETURN_IF_ERROR(WriteDenoiser(o.out, files));
    return CopyTensors(kept, networks.weights.parameters());
  };

  Progress progress("denoiser", first, o.steps, o.batch);
  for (int64_t step = first; step < o.steps; ++step) {
    std::vector<int64_t> indices = BatchIndices(step, o.batch, count, o.seed);
    std::mt19937_64 random(o.seed * 1000033 + step);
    at::Generator generator = at::detail::createCPUGenerator(o.seed * 7907 + step);
    at::Tensor noise = at::randn({o.batch, dit.in_channels, dit.img_size, dit.img_size}, generator, at::kFloat);
    Batch batch = MakeBatch(dataset, *tokenizer, coupling, noise, indices, random);
    at::Tensor data = latents.index_select(0, batch.indices.to(o.device));
    at::Tensor t = at::sigmoid(at::randn({o.batch}, generator, at::kFloat) + o.time_mean).to(o.device);
    const int parts = o.device.is_cpu() ? kParts : 1;
    std::vector<double> losses(parts);
    at::Generator recall_generator = at::detail::createCPUGenerator(o.seed * 104729 + kRecallFirstSteps + step);
    ParallelFor(parts + 1, o.threads, [&](int i) {
      MixedPrecision scope(o.device.type(), o.bfloat16);
      if (i == parts) {
        at::Tensor loss = RecallLoss(networks.transformer, dataset, coupling, latents, kRecallRowsBesides, recall_generator);
        (kRecallLossWeight * loss).backward();
        return;
      }
      const int64_t rows = o.batch / parts;
      auto part = [&](const at::Tensor& all) { return all.narrow(0, i * rows, rows).to(o.device); };
      at::Tensor mix = part(t).reshape({-1, 1, 1, 1});
      Conditioning c = networks.Condition(part(batch.ids), part(batch.mask), part(batch.has_text), part(batch.labels));
      at::Tensor v = networks.transformer.Forward((1 - mix) * part(data) + mix * part(noise), part(t), c);
      at::Tensor loss = (v.to(at::kFloat) - (part(noise) - part(data))).square().mean() / parts;
      loss.backward();
      losses[i] = loss.item<double>();
    });
    optimizer.Step(RateAt(step, o.steps, 60, o.decay_share), o.threads);
    ema.Update(step);
    progress.Step(step, std::accumulate(losses.begin(), losses.end(), 0.0));
    const bool last = step + 1 == o.steps;
    if ((step + 1) % o.save_every == 0 || last) EASEL_RETURN_IF_ERROR(SaveRun(state, networks.weights, ema, optimizer));
    if ((step + 1) % o.grid_every == 0 || last) EASEL_RETURN_IF_ERROR(show(step + 1));
  }
  return absl::OkStatus();
}

}  // namespace easel
