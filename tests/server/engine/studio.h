// An engine on a staged pipeline, for tests: jobs by one call, and their pictures held against those made
// alone.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "model/pipeline.h"
#include "server/engine/engine.h"
#include "server/engine/measure_costs.h"
#include "tests/server/engine/staged_pipeline.h"
#include "tests/testing/recording_listener.h"

namespace easel {

inline GenerationSpec Spec(uint64_t seed, int steps, double guidance_scale = 1) {
  GenerationSpec spec;
  spec.class_label = 1;
  spec.width = spec.height = kStagedSize;
  spec.num_inference_steps = steps;
  spec.guidance_scale = guidance_scale;
  spec.seed = seed;
  spec.sampler = "euler";
  return spec;
}

inline GenerationSpec WithClass(GenerationSpec spec, int class_label) {
  spec.class_label = class_label;
  return spec;
}

// A forward takes so long, however many rows it has: sharing one always pays.
inline ModelCosts KnownCosts(double seconds) {
  ModelCosts costs;
  costs.model = "tiny";
  costs.device = "cpu";
  costs.width = costs.height = kStagedSize;
  for (int rows : {1, 2, 4, 8, 16})
    costs.forwards.push_back({{0, 3, kStagedSize, kStagedSize, 0}, rows, seconds});
  return costs;
}

// For Studio.
inline EngineOptions Untimed() {
  EngineOptions options;
  options.now = nullptr;
  return options;
}

// Where a test brings no clock and no costs, time stands still and costs nothing, so that only the order
// counts.
inline EngineOptions WithTime(EngineOptions options) {
  if (!options.now) {
    options.now = [] { return absl::FromUnixSeconds(1); };
    if (options.known_costs.empty()) options.known_costs = {KnownCosts(0)};
  }
  return options;
}

inline EngineOptions Rows(int max_batch_rows) {
  EngineOptions options = Untimed();
  options.max_batch_rows = max_batch_rows;
  return options;
}

// Forwards take a second each, on a clock that stands still but for the tests: what is done is judged by
// that.
inline EngineOptions ASecondAForward(int max_batch_rows) {
  EngineOptions options = Rows(max_batch_rows);
  options.known_costs = {KnownCosts(1)};
  return options;
}

class Studio {
 public:
  explicit Studio(EngineOptions options = Untimed())
      : gate(std::make_shared<Gate>()),
        pipeline(MakeStagedPipeline(gate)),
        engine(std::make_unique<Engine>(std::vector<NamedPipeline>{{"tiny", pipeline}},
                                        WithTime(std::move(options)))) {}
  ~Studio() { gate->Release(); }

  struct Order {
    GenerationSpec spec;
    std::shared_ptr<RecordingListener> listener = std::make_shared<RecordingListener>();
    JobHandle handle;
  };
  Order Submit(const GenerationSpec& spec, const SubmitOptions& options = {}) {
    Order order;
    order.spec = spec;
    auto handles = engine->Submit("tiny", {{spec, order.listener}}, options);
    EXPECT_TRUE(handles.ok()) << handles.status();
    if (handles.ok()) order.handle = std::move(handles->front());
    return order;
  }
  absl::Status Refusal(const GenerationSpec& spec, const SubmitOptions& options = {}) {
    auto listener = std::make_shared<RecordingListener>();
    const absl::Status status = engine->Submit("tiny", {{spec, listener}}, options).status();
    EXPECT_THAT(listener->events(), ::testing::IsEmpty());
    return status;
  }

  // The picture of `order` is what it is alone.
  void ExpectItsPicture(const Order& order) {
    const absl::Status status = order.listener->AwaitEnd();
    ASSERT_TRUE(status.ok()) << status;
    const absl::StatusOr<Image> alone = pipeline->Generate(order.spec);
    ASSERT_TRUE(alone.ok()) << alone.status();
    EXPECT_EQ(order.listener->image().rgb, alone->rgb) << "seed " << order.spec.seed;
    EXPECT_EQ(order.listener->ends(), 1);
  }

  std::shared_ptr<Gate> gate;
  std::shared_ptr<const Pipeline> pipeline;
  std::unique_ptr<Engine> engine;
};

}  // namespace easel
