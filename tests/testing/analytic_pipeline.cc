#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "tests/testing/analytic_transformer.h"
#include "tests/testing/tiny_pipeline.h"

namespace easel {
namespace {

constexpr int kSize = 16, kMaxWords = 16, kClasses = 3;

struct Colour {
  const char* name;
  float r, g, b;
};
constexpr Colour kColours[] = {{"red", 1, -1, -1},   {"green", -1, 1, -1}, {"blue", -1, -1, 1},
                               {"yellow", 1, 1, -1}, {"white", 1, 1, 1},   {"black", -1, -1, -1}};
constexpr int64_t kNoColour = std::size(kColours);

// A word's id is its colour's row.
class ColourConditioner : public Conditioner {
 public:
  bool takes_prompt() const override { return true; }
  int64_t num_classes() const override { return kClasses; }
  int64_t max_prompt_tokens() const override { return kMaxWords; }

  absl::StatusOr<TokenizedCondition> Tokenize(const ConditionRequest& request) const override {
    TokenizedCondition condition;
    condition.label = request.label;
    if (!request.prompt) return condition;
    Tokens tokens;
    for (const std::string& word : SplitIntoWords(*request.prompt)) {
      const auto* colour = std::find_if(std::begin(kColours), std::end(kColours),
                                        [&](const Colour& candidate) { return word == candidate.name; });
      tokens.ids.push_back(colour - kColours);
    }
    tokens.cut = std::max<int>(0, static_cast<int>(tokens.ids.size()) - kMaxWords);
    tokens.mask.assign(std::min<size_t>(tokens.ids.size(), kMaxWords), 1);
    tokens.ids.resize(kMaxWords, kNoColour);
    tokens.mask.resize(kMaxWords, 0);
    condition.tokens.push_back(std::move(tokens));
    return condition;
  }

  EncodedCondition Encode(const TokenizedCondition& condition) const override {
    int64_t colour = condition.label.value_or(kNoColour);
    for (const Tokens& tokens : condition.tokens) {
      for (int64_t id : tokens.ids) {
        if (colour == kNoColour) colour = id;
      }
    }
    EncodedCondition encoded;
    encoded.row.pooled = at::zeros({1, 3});  // grey
    if (colour != kNoColour) {
      const Colour& c = kColours[colour];
      encoded.row.pooled = at::tensor({c.r, c.g, c.b}).unsqueeze(0);
    }
    return encoded;
  }

 private:
  static std::vector<std::string> SplitIntoWords(const std::string& prompt) {
    return absl::StrSplit(absl::AsciiStrToLower(prompt), absl::ByAnyChar(" \t\n.,;!"), absl::SkipEmpty());
  }
};

}  // namespace

std::unique_ptr<Pipeline> MakeAnalyticPipeline() {
  PipelineParts parts;
  parts.conditioner = std::make_unique<ColourConditioner>();
  parts.transformer = std::make_unique<AnalyticTransformer>();
  ModelInfo& info = parts.info;
  info.family = "EaselPipeline";
  info.transformer = "AnalyticTransformer";
  info.default_width = info.default_height = info.size_multiple = kSize;
  info.default_steps = 4;
  info.default_guidance_scale = 3;
  info.takes_prompt = info.takes_class = info.takes_negative_prompt = info.takes_guidance = true;
  info.takes_unconditional = true;
  info.max_prompt_tokens = kMaxWords;
  info.num_classes = kClasses;
  for (int label = 0; label < kClasses; ++label) info.class_names.push_back({kColours[label].name});
  info.samplers = SamplerNames();
  info.preview_methods = {"linear"};
  info.latent_channels = 3;
  return std::make_unique<Pipeline>(std::move(parts));
}

}  // namespace easel
