#include "server/engine/forward.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <functional>
#include <optional>

namespace easel {

ForwardShape ShapeOf(int model, const at::Tensor& latent, const GuidedConditioning& conditioning) {
  const Conditioning& row =
      conditioning.conditional.has_value() ? *conditioning.conditional : *conditioning.unconditional;
  const int64_t text_length = row.text.defined() ? row.text.size(1) : 0;
  return {model, latent.size(0), latent.size(1), latent.size(2), text_length};
}

void AwaitDevice(c10::Device device) {
  if (device.is_cpu()) return;  // has done it
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.getStream(device).synchronize();
}

ForEach OnTeam(ThreadTeam* team, const MemoryMeter* meter) {
  return [team, meter](int n, const std::function<void(int)>& task) {
    team->Run(n, [&](int i) {
      std::optional<MemoryMeter::Watch> watch;
      if (meter != nullptr) watch.emplace(*meter);
      task(i);
    });
  };
}

}  // namespace easel
