#include "tests/testing/tiny_pipeline.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/autoencoder/autoencoder_kl.h"
#include "model/conditioning/clip_text_encoder.h"
#include "model/io/json.h"
#include "model/io/status_macros.h"
#include "model/transformers/easel_dit.h"
#include "model/transformers/reference_dit.h"
#include "tests/testing/random_weights.h"

namespace easel {
namespace {

constexpr int64_t kLatentChannels = 4, kLatentSize = 8, kClasses = 5, kWidth = 32, kMaxTokens = 16;

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  return WriteTextFile(path, text);
}

absl::Status WriteComponent(const std::string& directory, const JsonWriter& config,
                            const RandomWeights& weights,
                            const std::string& file = "diffusion_pytorch_model.safetensors") {
  EASEL_RETURN_IF_ERROR(WriteFile(directory + "/config.json", config.Text()));
  return WriteSafetensors(directory + "/" + file, weights.taken());
}

absl::Status WriteTransformer(const std::string& directory, TinyModel model) {
  const std::string class_name = model == TinyModel::kEasel     ? "EaselDiT"
                                 : model == TinyModel::kText    ? "TextConditionalDiT"
                                 : model == TinyModel::kClasses ? "ConditionalDiT"
                                                                : "DiT";
  const bool pixels = model == TinyModel::kPixels;
  JsonWriter config;
  config.Set("_class_name", class_name);
  config.Set("img_size", pixels ? int64_t{12} : kLatentSize);
  config.Set("patch_size", pixels ? 4 : 2);
  config.Set("in_channels", pixels ? int64_t{1} : kLatentChannels);
  config.Set("embed_dim", kWidth);
  config.Set("depth", 2);
  config.Set("num_heads", 4);
  if (model == TinyModel::kClasses || model == TinyModel::kEasel) config.Set("num_classes", kClasses);
  if (model == TinyModel::kText || model == TinyModel::kEasel) config.Set("context_dim", kWidth);
  if (model == TinyModel::kEasel) {
    config.Set("layout_hidden", 32);
    config.Set("layout_dim", 8);
  }
  EASEL_ASSIGN_OR_RETURN(JsonObject read, JsonObject::Parse(config.Text(), directory + "/config.json"));
  RandomWeights weights(1);
  if (model == TinyModel::kEasel) {
    EASEL_ASSIGN_OR_RETURN(EaselDiTParams params, EaselDiTParams::FromConfig(read));
    EaselDiT network(params, Weights(&weights));
  } else {
    EASEL_ASSIGN_OR_RETURN(ReferenceDitParams params, ReferenceDitParams::FromConfig(class_name, read));
    ReferenceDit network(params, Weights(&weights));
  }
  return WriteComponent(directory, config, weights);
}

absl::Status WriteAutoencoder(const std::string& directory) {
  JsonWriter config;
  config.Set("_class_name", "AutoencoderKL");
  config.Set("down_block_types", std::vector<std::string>(2, "DownEncoderBlock2D"));
  config.Set("up_block_types", std::vector<std::string>(2, "UpDecoderBlock2D"));
  config.Set("block_out_channels", std::vector<int64_t>{8, 8});
  config.Set("latent_channels", kLatentChannels);
  config.Set("norm_num_groups", 4);
  config.Set("latent_rgb_factors",
             std::vector<std::vector<double>>{{.5, 0, 0}, {0, .5, 0}, {0, 0, .5}, {.1, .1, .1}});
  EASEL_ASSIGN_OR_RETURN(JsonObject read, JsonObject::Parse(config.Text(), directory + "/config.json"));
  EASEL_ASSIGN_OR_RETURN(AutoencoderKLParams params, AutoencoderKLParams::FromConfig(read));
  RandomWeights weights(2);
  AutoencoderKL network(params, Weights(&weights));
  return WriteComponent(directory, config, weights);
}

// The 256 bytes as byte-level BPE writes them: the printable ones as themselves, the others from U+0100 on.
std::vector<std::string> ByteSymbols() {
  std::vector<std::string> symbols;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    const int point = printable ? byte : next++;
    std::string symbol;
    if (point >= 128) symbol += static_cast<char>(0xC0 | point >> 6);
    symbol += static_cast<char>(point >= 128 ? 0x80 | (point & 0x3F) : point);
    symbols.push_back(symbol);
  }
  return symbols;
}

// Sets the size of the vocabulary, whose last two ids are start and end.
absl::Status WriteTokenizer(const std::string& directory, int64_t& vocab_size) {
  JsonWriter vocabulary;
  vocab_size = 0;
  for (const char* ending : {"", "</w>"}) {
    for (const std::string& symbol : ByteSymbols()) vocabulary.Set(symbol + ending, vocab_size++);
  }
  for (const char* token : {"re", "red</w>", "<|startoftext|>", "<|endoftext|>"})
    vocabulary.Set(token, vocab_size++);
  JsonWriter config;
  config.Set("tokenizer_class", "CLIPTokenizer");
  config.Set("model_max_length", kMaxTokens);
  EASEL_RETURN_IF_ERROR(WriteFile(directory + "/vocab.json", vocabulary.Text()));
  EASEL_RETURN_IF_ERROR(WriteFile(directory + "/merges.txt", "#version: 0.2\nr e\nre d</w>\n"));
  return WriteFile(directory + "/tokenizer_config.json", config.Text());
}

absl::Status WriteTextEncoder(const std::string& directory, int64_t vocab_size) {
  ClipTextParams params;
  params.vocab_size = vocab_size;
  params.hidden_size = kWidth;
  params.intermediate_size = 2 * kWidth;
  params.num_hidden_layers = 2;
  params.num_attention_heads = 4;
  params.max_position_embeddings = kMaxTokens;
  params.eos_token_id = vocab_size - 1;
  JsonWriter config;
  config.Set("architectures", std::vector<std::string>{"CLIPTextModel"});
  config.Set("vocab_size", params.vocab_size);
  config.Set("hidden_size", params.hidden_size);
  config.Set("intermediate_size", params.intermediate_size);
  config.Set("num_hidden_layers", params.num_hidden_layers);
  config.Set("num_attention_heads", params.num_attention_heads);
  config.Set("max_position_embeddings", params.max_position_embeddings);
  config.Set("eos_token_id", params.eos_token_id);
  RandomWeights weights(3);
  ClipTextEncoder network(params, Weights(&weights));
  return WriteComponent(directory, config, weights, "model.safetensors");
}

}  // namespace

absl::Status WriteTinyModel(const std::string& directory, TinyModel model) {
  const bool has_text = model == TinyModel::kText || model == TinyModel::kEasel;
  EASEL_RETURN_IF_ERROR(WriteTransformer(directory + "/transformer", model));
  if (model != TinyModel::kPixels) EASEL_RETURN_IF_ERROR(WriteAutoencoder(directory + "/vae"));
  if (has_text) {
    int64_t vocab_size;
    EASEL_RETURN_IF_ERROR(WriteTokenizer(directory + "/tokenizer", vocab_size));
    EASEL_RETURN_IF_ERROR(WriteTextEncoder(directory + "/text_encoder", vocab_size));
  }

  EASEL_ASSIGN_OR_RETURN(JsonObject transformer, JsonObject::Open(directory + "/transformer/config.json"));
  JsonWriter index;
  index.Set("_class_name", "EaselPipeline");
  index.Set("transformer", std::vector<std::string>{"easel", transformer.String("_class_name")});
  if (model != TinyModel::kPixels) index.Set("vae", std::vector<std::string>{"diffusers", "AutoencoderKL"});
  if (has_text) {
    index.Set("text_encoder", std::vector<std::string>{"transformers", "CLIPTextModel"});
    index.Set("tokenizer", std::vector<std::string>{"transformers", "CLIPTokenizer"});
  }
  index.Set("default_num_inference_steps", 4);
  if (model == TinyModel::kEasel) {
    JsonWriter labels;
    for (int label = 0; label < kClasses; ++label)
      labels.Set(absl::StrCat(label), absl::StrCat("class ", label, ", c", label));
    index.Set("id2label", labels);
  }
  return WriteFile(directory + "/model_index.json", index.Text());
}

}  // namespace easel
