#include "server/engine/cpu_layout.h"

#include <c10/core/InferenceMode.h>

#include <exception>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "model/io/status_macros.h"
#include "model/pipeline.h"
#include "server/engine/thread_team.h"
#include "server/engine/typical_forward.h"

namespace easel {
namespace {

constexpr absl::Duration kSlowForward = absl::Milliseconds(200);
constexpr double kClearlyFaster = 0.75;
constexpr absl::Duration kEnough = absl::Milliseconds(30);  // no more repeats after that

absl::StatusOr<CpuLayout> Measure(const Pipeline& pipeline, int cores) {
  UseOneIntraOpThread();
  const c10::InferenceMode inference;
  EASEL_ASSIGN_OR_RETURN(const std::unique_ptr<TypicalForward> typical, TypicalForward::Make(pipeline));
  const int one = typical->rows_of_a_picture();

  CpuLayout best{.workers = 1, .threads = cores};
  if (typical->Time({.workers = 1, .threads = 1}, one, /*enough=*/absl::ZeroDuration()) > kSlowForward)
    return best;

  const auto cost = [&](const CpuLayout& layout) {  // seconds a row, of one picture and of two
    const absl::Duration time =
        typical->Time(layout, one, kEnough) + typical->Time(layout, 2 * one, kEnough) / 2;
    return absl::ToDoubleSeconds(time) / layout.workers;
  };
  double least = kClearlyFaster * cost(best);
  for (int threads = cores / 2; threads >= 1; threads /= 2) {
    const CpuLayout layout{.workers = cores / threads, .threads = threads};
    if (const double seconds = cost(layout); seconds < least) {
      least = seconds;
      best = layout;
    }
  }
  return best;
}

}  // namespace

absl::StatusOr<CpuLayout> ChooseCpuLayout(const Pipeline& pipeline, int cores) {
  if (cores <= 1) return CpuLayout{};
  // On a thread of its own, because the count of intra-op threads is a thread's property.
  absl::StatusOr<CpuLayout> layout;
  std::thread([&] {
    try {
      layout = Measure(pipeline, cores);
    } catch (const std::exception& error) {
      layout = absl::InternalError(absl::StrCat("measuring the network: ", error.what()));
    }
  }).join();
  return layout;
}

}  // namespace easel
