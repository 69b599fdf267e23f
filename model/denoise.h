// One forward of the network for many generations: the only batched computation. A pure function.
#pragma once

#include <vector>

#include "model/conditioning/conditioning.h"
#include "model/nn/spread.h"
#include "model/sampling/guidance.h"
#include "model/sampling/sampler.h"
#include "model/transformers/transformer.h"

namespace easel {

// One generation's part in a forward. The pointers must live until Denoise returns; one of them is not null.
struct DenoiseInput {
  ModelInput input;                           // its latent in the network's dtype, on its device
  const Conditioning* conditional = nullptr;  // one row; null: guidance scale 0, the unconditional row alone
  const Conditioning* unconditional = nullptr;  // one row; null: no guidance, the conditional row alone
  Guidance guidance;
};

// How many rows the inputs take: 1 or 2 each.
int RowCount(const std::vector<DenoiseInput>& inputs);

// The guided predictions, one (C, H, W) float32 each, in the order of the inputs. All latents have one shape,
// and all conditionings the same tensors of one length. The rows are split into `chunks` (≥ 1) contiguous
// forwards of about equal size (fewer when there are fewer rows), which for_each may run at the same time. A
// prediction does not depend on its neighbours or on the chunks.
std::vector<at::Tensor> Denoise(const Transformer& transformer, const std::vector<DenoiseInput>& inputs,
                                int chunks = 1, const ForEach& for_each = ForEachInTurn);

}  // namespace easel
