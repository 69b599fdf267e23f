#include "model/denoise.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace easel {
namespace {

struct Row {
  const ModelInput* input;
  const Conditioning* conditioning;
};

at::Tensor Forward(const Transformer& transformer, const Row* begin, const Row* end) {
  c10::InferenceMode guard;  // thread-local, and a task may run on any thread
  std::vector<at::Tensor> latents;
  std::vector<float> times;
  std::vector<Conditioning> conditionings;
  for (const Row* row = begin; row != end; ++row) {
    latents.push_back(row->input->latent);
    times.push_back(row->input->time);
    conditionings.push_back(*row->conditioning);
  }
  at::Tensor latent = at::stack(latents);                               // (B, C, H, W)
  at::Tensor time = at::tensor(times, at::kFloat).to(latent.device());  // (B)
  return transformer.Forward(latent, time, Concatenate(conditionings)).to(at::kFloat);
}

}  // namespace

int RowCount(const std::vector<DenoiseInput>& inputs) {
  int rows = 0;
  for (const DenoiseInput& input : inputs)
    rows += (input.conditional != nullptr) + (input.unconditional != nullptr);
  return rows;
}

std::vector<at::Tensor> Denoise(const Transformer& transformer, const std::vector<DenoiseInput>& inputs,
                                int chunks, const ForEach& for_each) {
  std::vector<Row> rows;
  for (const DenoiseInput& input : inputs) {
    if (input.conditional != nullptr) rows.push_back({&input.input, input.conditional});
    if (input.unconditional != nullptr) rows.push_back({&input.input, input.unconditional});
  }
  const int n = static_cast<int>(rows.size());
  chunks = std::min(chunks, n);
  std::vector<at::Tensor> outputs(n);  // by row; a task writes only its own
  for_each(chunks, [&](int i) {
    const int begin = n * i / chunks, end = n * (i + 1) / chunks;
    std::vector<at::Tensor> forward =
        Forward(transformer, &rows[begin], &rows[begin] + (end - begin)).unbind(0);
    std::move(forward.begin(), forward.end(), outputs.begin() + begin);
  });

  c10::InferenceMode guard;
  std::vector<at::Tensor> predictions;
  auto row = outputs.begin();
  for (const DenoiseInput& input : inputs) {
    at::Tensor conditional = input.conditional != nullptr ? *row++ : at::Tensor();
    at::Tensor unconditional = input.unconditional != nullptr ? *row++ : at::Tensor();
    predictions.push_back(Guide(input.guidance, conditional, unconditional));
  }
  return predictions;
}

}  // namespace easel
