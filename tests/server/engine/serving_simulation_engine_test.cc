// The simulator beside the engine itself: a network that takes no time but moves a clock, and the same load in both.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/pipeline.h"
#include "server/engine/engine.h"
#include "server/engine/thread_team.h"
#include "server/sync/mutex.h"
#include "tests/bench/serving_policies.h"
#include "tests/bench/serving_simulation.h"
#include "tests/bench/simulated_mixes.h"

namespace easel {
namespace {

constexpr int kClasses = 5;

// Dyadic seconds, so that neither side rounds: forwards of a small and a large shape, that gain by sharing.
std::vector<ModelCosts> Costs() {
  std::vector<ModelCosts> costs(2);
  for (int i : {0, 1}) {
    costs[i].model = "tiny";
    costs[i].device = "cpu";
    costs[i].width = costs[i].height = 8 << i;
    costs[i].decode_seconds = (1 << 2 * i) / 256.0;  // of a pixel, the same
    const double step = (1 << i) / 64.0;
    const ForwardShape shape = {0, 3, 8 << i, 8 << i, 0};
    costs[i].forwards = {{shape, 1, step}, {shape, 2, 1.5 * step}, {shape, 4, 2.5 * step}, {shape, 8, 5 * step}};
  }
  return costs;
}

double ForwardSeconds(int size, int rows) {
  StepTimes times;
  for (const ModelCosts& costs : Costs()) {
    for (const ForwardTime& forward : costs.forwards) times.Observe(forward.shape, forward.rows, forward.seconds);
  }
  return *times.Seconds({0, 3, size, size, 0}, rows);
}

// The engine's clock, which its worker's work moves on, and the load that comes by it.
class Stage {
 public:
  explicit Stage(std::vector<SimulatedRequest> requests) : requests_(std::move(requests)), ended_(requests_.size()) {}

  absl::Time now() const {
    MutexLock lock(&mutex_);
    return now_;
  }
  void Begin(Engine* engine) {
    engine_ = engine;
    SubmitDue();
    MutexLock lock(&mutex_);
    begun_ = true;
    mutex_.NotifyAll();
  }
  void AwaitEnd() {
    MutexLock lock(&mutex_);
    mutex_.Await([this] {
      mutex_.AssertHeld();
      return ends_ == requests_.size();
    });
  }

  // The rest is called on the worker's thread, but for the first requests.
  void Pass(double seconds) {
    Set(now() + absl::Seconds(seconds));
    SubmitDue();
  }
  void Forward(int size, int rows) {
    AwaitBegun();
    forwards.emplace_back();
    Pass(ForwardSeconds(size, rows));
  }
  void Ended(size_t request, absl::StatusCode code) {
    ended_[request] = {now(), code};
    if (--in_flight_ == 0) SubmitDue();
    CountEnd();
  }

  std::vector<std::vector<size_t>> forwards;
  const std::vector<std::pair<absl::Time, absl::StatusCode>>& ended() const { return ended_; }

 private:
  class Listener : public JobListener {
   public:
    Listener(Stage* stage, size_t request) : stage_(stage), request_(request) {}
    void OnQueued(int, std::optional<double>) override {}
    void OnStarted(const std::string&) override {}
    void OnProgress(const JobProgress&) override { stage_->forwards.back().push_back(request_); }
    void OnPreview(int, Image) override {}
    void OnImage(Image, const JobAccounting&) override { stage_->Ended(request_, absl::StatusCode::kOk); }
    void OnFailure(const absl::Status& status, const JobAccounting&) override {
      stage_->Ended(request_, status.code());
    }

   private:
    Stage* const stage_;
    const size_t request_;
  };

  void Set(absl::Time now) {
    MutexLock lock(&mutex_);
    now_ = now;
  }
  void AwaitBegun() {
    MutexLock lock(&mutex_);
    mutex_.Await([this] {
      mutex_.AssertHeld();
      return begun_;
    });
  }
  void CountEnd() {
    MutexLock lock(&mutex_);
    ++ends_;
    mutex_.NotifyAll();
  }
  // Where nothing is left to do, the clock moves on to the next arrival.
  void SubmitDue() {
    while (next_ < requests_.size()) {
      const absl::Time arrival = absl::UnixEpoch() + absl::Seconds(requests_[next_].arrival);
      if (arrival > now() && in_flight_ > 0) return;
      const absl::Time after = std::max(now(), arrival);
      Set(arrival);  // while it is submitted: it came during the forward that has just ended
      const size_t i = next_++;
      const SimulatedRequest& asked = requests_[i];
      GenerationSpec spec;
      spec.class_label = 1;
      spec.width = asked.width;
      spec.height = asked.height;
      spec.num_inference_steps = asked.steps;
      spec.guidance_scale = asked.rows == 2 ? 3 : 1;
      spec.seed = i;
      spec.sampler = "euler";
      SubmitOptions options;
      if (asked.deadline) options.deadline = arrival + absl::Seconds(asked.slo);
      options.tenant = asked.tenant;
      ++in_flight_;
      auto handles = engine_->Submit("tiny", {{spec, std::make_shared<Listener>(this, i)}}, options);
      if (handles.ok()) {
        handles_.push_back(std::move(handles->front()));
      } else {
        --in_flight_;
        ended_[i] = {arrival, handles.status().code()};
        CountEnd();
      }
      Set(after);
    }
  }

  const std::vector<SimulatedRequest> requests_;
  Engine* engine_ = nullptr;
  std::vector<JobHandle> handles_;
  size_t next_ = 0;
  int in_flight_ = 0;
  std::vector<std::pair<absl::Time, absl::StatusCode>> ended_;
  mutable Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_) = absl::UnixEpoch();
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;  // nobody else submits
  size_t ends_ ABSL_GUARDED_BY(mutex_) = 0;
};

class ClockedTransformer : public Transformer {
 public:
  explicit ClockedTransformer(Stage* stage) : stage_(stage) {}
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor&, const Conditioning&) const override {
    stage_->Forward(static_cast<int>(latent.size(2)), static_cast<int>(latent.size(0)));
    return at::zeros_like(latent);
  }

 private:
  Stage* const stage_;
};

class ClockedAutoencoder : public Autoencoder {
 public:
  explicit ClockedAutoencoder(Stage* stage) : stage_(stage) {}
  at::Tensor Encode(const at::Tensor& pixels) const override { return pixels; }
  at::Tensor Decode(const at::Tensor& latent) const override {
    for (const ModelCosts& costs : Costs()) {
      if (costs.height == latent.size(-2)) stage_->Pass(costs.decode_seconds);
    }
    return latent;
  }
  int64_t latent_channels() const override { return 3; }
  int64_t downscale() const override { return 1; }

 private:
  Stage* const stage_;
};

std::shared_ptr<const Pipeline> ClockedPipeline(Stage* stage) {
  PipelineParts parts;
  parts.conditioner = MakeClassConditioner(kClasses, at::kCPU);
  parts.transformer = std::make_unique<ClockedTransformer>(stage);
  parts.autoencoder = std::make_unique<ClockedAutoencoder>(stage);
  parts.info.family = "Clocked";
  parts.info.default_width = parts.info.default_height = 8;
  parts.info.fixed_size = false;
  parts.info.takes_class = parts.info.takes_guidance = true;
  parts.info.num_classes = kClasses;
  parts.info.samplers = SamplerNames();
  parts.info.latent_channels = 3;
  return std::make_shared<const Pipeline>(std::move(parts));
}

// A mix of both shapes, lengths and guidance, in which some have no deadline, some a wide and some a narrow one, and
// some one that nobody could meet; of two tenants.
std::vector<SimulatedRequest> Load(double load, uint64_t seed) {
  SimulatedMix mix{.name = "clocked", .costs = Costs()};
  for (int size : {8, 16}) {
    for (int steps : {1, 3, 8}) {
      for (int rows : {1, 2}) mix.kinds.push_back({size, size, rows, steps, 1});
    }
  }
  std::vector<SimulatedRequest> requests = RequestsOf(mix, {.load = load, .slo = 1, .requests = 120}, 1, seed);
  for (size_t i = 0; i < requests.size(); ++i) {
    constexpr double kSlo[] = {3, 20, 0.5, 1.25, 0};
    requests[i].deadline = kSlo[i % 5] > 0;
    requests[i].slo = requests[i].deadline ? requests[i].slo * kSlo[i % 5] : 1e9;
    requests[i].tenant = i % 3 == 0 ? "other" : "";
    // Dyadic, too. The first comes alone, because only then its worker is sure to see the others at its next turn.
    requests[i].arrival = std::round((requests[i].arrival - (i == 0 ? requests[i].arrival : 0)) * 1024) / 1024;
  }
  return requests;
}

TEST(ServingSimulationEngineTest, RunsTheForwardsThatTheEngineRuns) {
  UseOneIntraOpThread();
  for (const std::string& policy : ServingPolicyNames()) {
    for (double load : {0.5, 1.5}) {
      const std::vector<SimulatedRequest> requests = Load(load, /*seed=*/7);
      SimulatedServer server{.costs = Costs(), .policy = ServingPolicyNamed(policy).policy, .max_batch_rows = 8};
      std::vector<std::vector<size_t>> forwards;
      server.trace = [&](int worker, double now, const std::vector<size_t>& batch) {
        forwards.push_back(batch);
      };
      const std::vector<LoadRecord> records = Simulate(server, requests);

      Stage stage(requests);
      EngineOptions options;
      options.max_batch_rows = 8;
      options.max_queue = static_cast<int>(requests.size());
      options.policy = ServingPolicyNamed(policy).policy;
      options.known_costs = Costs();
      options.now = [&] { return stage.now(); };
      Engine engine({{"tiny", ClockedPipeline(&stage)}}, options);
      stage.Begin(&engine);
      stage.AwaitEnd();

      EXPECT_EQ(stage.forwards, forwards) << policy << " at load " << load;
      size_t shared = 0, refused = 0;
      for (const auto& batch : forwards) shared += batch.size() > 1;
      for (size_t i = 0; i < records.size(); ++i) {
        const auto& [ended, code] = stage.ended()[i];
        EXPECT_EQ(code, records[i].code) << policy << " at load " << load << ", request " << i;
        EXPECT_NEAR(absl::ToDoubleSeconds(ended - absl::UnixEpoch()), records[i].ended, 1e-9)
            << policy << " at load " << load << ", request " << i;
        refused += code != absl::StatusCode::kOk;
      }
      const bool alone = policy == "fcfs" || policy == "fcfs-timeout";
      EXPECT_EQ(shared > 0, !alone) << policy << " at load " << load;
      EXPECT_GT(refused, 0u) << policy;
    }
  }
}

}  // namespace
}  // namespace easel
