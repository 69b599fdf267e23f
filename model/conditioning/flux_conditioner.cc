#include "model/conditioning/flux_conditioner.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "model/conditioning/prompt_conditioner.h"

namespace easel {
namespace {

enum Encoder { kClip, kT5 };

class FluxConditioner : public PromptConditioner {
 public:
  explicit FluxConditioner(std::vector<PromptEncoder> encoders) : PromptConditioner(std::move(encoders)) {}

 private:
  Conditioning EncodeRow(const std::vector<Tokens>& prompt) const override {
    Conditioning row;
    row.text = encoder(kT5).Encode(prompt[kT5], MaskToEncoder::kNo).hidden;
    row.pooled = encoder(kClip).Encode(prompt[kClip], MaskToEncoder::kNo).pooled.to(encoder(kT5).options());
    return row;
  }
};

}  // namespace

std::unique_ptr<Conditioner> MakeFluxConditioner(PromptEncoder clip, PromptEncoder t5) {
  std::vector<PromptEncoder> encoders;
  encoders.push_back(std::move(clip));
  encoders.push_back(std::move(t5));
  return std::make_unique<FluxConditioner>(std::move(encoders));
}

}  // namespace easel
