// engine_bench: what the engine itself takes of a turn, by how many jobs are active and how many wait: a
// network that takes no time, one picture a forward, and the processor's time of the worker's thread from one
// forward to the next. The first row is what everything else in a turn takes: the sampler's step, the clock,
// making and submitting a picture.
//   steady       nobody comes or leaves: whose turn it is
//   to and fro   at every turn a picture comes and one is done: also who begins, and the waits told anew
#include <ATen/ATen.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "model/pipeline.h"
#include "server/engine/engine.h"
#include "server/engine/thread_team.h"

namespace easel {
namespace {

constexpr int kSide = 16, kRowsOfASeat = 4, kTenants = 4;
constexpr int kWarmUp = 500, kMeasured = 3000;  // turns

// Of this thread: others may have the processor meanwhile.
double ProcessorMicroseconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return 1e6 * static_cast<double>(time.tv_sec) + 1e-3 * static_cast<double>(time.tv_nsec);
}

// Counts turns; the first waits until all jobs are in.
class Turns {
 public:
  void Next() {
    if (count_ == 0) ready_.WaitForNotification();
    if (count_ == kWarmUp) began_ = ProcessorMicroseconds();
    if (count_ == kWarmUp + kMeasured) {
      took_ = ProcessorMicroseconds() - began_;
      done_.Notify();
    }
    ++count_;
  }
  void Go() { ready_.Notify(); }
  double AwaitMicroseconds() {
    done_.WaitForNotification();
    return took_ / kMeasured;
  }

 private:
  absl::Notification ready_, done_;
  int count_ = 0;
  double began_ = 0, took_ = 0;
};

class IdleTransformer : public Transformer {
 public:
  explicit IdleTransformer(Turns* turns) : turns_(turns) {}
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor&, const Conditioning&) const override {
    turns_->Next();
    return latent;
  }

 private:
  Turns* const turns_;
};

class IdleAutoencoder : public Autoencoder {
 public:
  at::Tensor Encode(const at::Tensor& pixels) const override { return pixels; }
  at::Tensor Decode(const at::Tensor& latent) const override { return latent; }
  int64_t latent_channels() const override { return 3; }
  int64_t downscale() const override { return 1; }
};

std::shared_ptr<const Pipeline> IdlePipeline(Turns* turns) {
  PipelineParts parts;
  parts.conditioner = MakeClassConditioner(/*num_classes=*/1, at::kCPU);
  parts.transformer = std::make_unique<IdleTransformer>(turns);
  parts.autoencoder = std::make_unique<IdleAutoencoder>();
  parts.info.default_width = parts.info.default_height = kSide;
  parts.info.takes_class = true;
  parts.info.num_classes = 1;
  parts.info.samplers = SamplerNames();
  parts.info.latent_channels = 3;
  return std::make_shared<const Pipeline>(std::move(parts));
}

class Silent : public JobListener {
 public:
  void OnQueued(int, std::optional<double>) override {}
  void OnStarted(const std::string&) override {}
  void OnProgress(const JobProgress&) override {}
  void OnPreview(int, Image) override {}
  void OnImage(Image, const JobAccounting&) override {}
  void OnFailure(const absl::Status&, const JobAccounting&) override {}
};

// Of four tenants, every other picture with a deadline.
class Orders {
 public:
  explicit Orders(Engine* engine) : engine_(engine) {}
  void Add(int steps, std::shared_ptr<JobListener> listener) {
    GenerationSpec spec;
    spec.class_label = 0;
    spec.width = spec.height = kSide;
    spec.num_inference_steps = steps;
    spec.sampler = "euler";
    SubmitOptions options;
    options.tenant = std::to_string(count_ % kTenants);
    if (count_ % 2 == 0) options.deadline = absl::Now() + absl::Hours(1 + count_ % 7);
    ++count_;
    auto handles = engine_->Submit("", {{spec, std::move(listener)}}, options);
    if (handles.ok()) handles_.push_back(std::move(handles->front()));
  }

 private:
  Engine* const engine_;
  uint64_t count_ = 0;
  std::vector<JobHandle> handles_;
};

// As soon as it is done, another one comes.
class Successor : public Silent {
 public:
  explicit Successor(Orders* orders) : orders_(orders) {}
  void OnImage(Image, const JobAccounting&) override {
    orders_->Add(1, std::make_shared<Successor>(orders_));
  }

 private:
  Orders* const orders_;
};

double MicrosecondsOfATurn(int active, int waiting, bool to_and_fro) {
  Turns turns;
  EngineOptions options;
  options.max_batch_rows = std::max(1, active / kRowsOfASeat);
  options.max_queue = 1 << 20;
  ModelCosts costs;  // company gains nothing, so that nobody has any
  costs.device = "cpu";
  costs.width = costs.height = kSide;
  for (int rows : {1, 2}) costs.forwards.push_back({{0, 3, kSide, kSide, 0}, rows, 1e-5 * rows});
  options.known_costs = {costs};
  Engine engine({{"", IdlePipeline(&turns)}}, options);
  Orders orders(&engine);
  for (int i = 0; i < active + waiting; ++i) {
    if (to_and_fro) {
      orders.Add(1, std::make_shared<Successor>(&orders));
    } else {
      orders.Add(kWarmUp + kMeasured + 1, std::make_shared<Silent>());
    }
  }
  turns.Go();
  return turns.AwaitMicroseconds();
}

int Run() {
  UseOneIntraOpThread();
  struct Case {
    int active, waiting;
  };
  std::printf("| active | waiting | steady | to and fro |\n|---|---|---|---|\n");
  for (const Case& one : {Case{1, 0}, Case{4, 0}, Case{16, 0}, Case{32, 0}, Case{32, 64}, Case{64, 256}}) {
    std::printf("| %d | %d | %.1f µs | %.1f µs |\n", one.active, one.waiting,
                MicrosecondsOfATurn(one.active, one.waiting, false),
                MicrosecondsOfATurn(one.active, one.waiting, true));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace easel

int main() { return easel::Run(); }
