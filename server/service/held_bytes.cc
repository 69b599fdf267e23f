#include "server/service/held_bytes.h"

#include <memory>
#include <string>
#include <vector>

namespace easel {
namespace {

constexpr int64_t kBlock = 16;  // what malloc adds to a block, and rounds it up by

int64_t Block(size_t bytes) {
  return bytes == 0 ? 0 : (static_cast<int64_t>(bytes) + kBlock / 2 + kBlock - 1) / kBlock * kBlock;
}

int64_t Held(const std::string& text) {
  const bool inside = text.capacity() <= std::string().capacity();
  return inside ? 0 : Block(text.capacity() + 1);
}

// Of a message that is part of something: what it points at.
template <typename Message>
int64_t HeldByMessage(const Message& message) {
  return static_cast<int64_t>(message.SpaceUsedLong() - sizeof(Message));
}

}  // namespace

int64_t HeldBytes(const GenerationPlan& plan) {
  int64_t bytes = HeldByMessage(plan.resolved) + Held(plan.model) + Held(plan.class_name) +
                  Held(plan.output.parameters) + Held(plan.preview_method) +
                  Block(plan.pictures.capacity() * sizeof(GenerationSpec));
  for (const GenerationSpec& spec : plan.pictures) {
    bytes += Held(spec.prompt.value_or("")) + Held(spec.negative_prompt) + Held(spec.sampler);
  }
  return bytes;
}

int64_t HeldBytes(const GenerationState& state) {
  int64_t bytes = Held(state.id) + HeldByMessage(state.parameters) + Held(state.accounting.device) +
                  Block(state.pictures.capacity() * sizeof(GenerationState::Picture)) +
                  Block(state.files.capacity() * sizeof(state.files[0])) +
                  Block(state.warnings.capacity() * sizeof(v1::Warning));
  for (const v1::Warning& warning : state.warnings) bytes += HeldByMessage(warning);
  for (const auto& file : state.files) {
    bytes += Block(sizeof(PictureFile) + kBlock) + HeldByMessage(file->description) + Held(file->bytes);
  }
  return bytes;
}

}  // namespace easel
