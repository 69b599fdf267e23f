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

class Studio {
 public:
  explicit Studio(EngineOptions options = {})
      : gate(std::make_shared<Gate>()),
        pipeline(MakeStagedPipeline(gate)),
        engine(std::make_unique<Engine>(std::vector<NamedPipeline>{{"tiny", pipeline}}, std::move(options))) {
  }
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

inline EngineOptions Rows(int max_batch_rows) {
  EngineOptions options;
  options.max_batch_rows = max_batch_rows;
  return options;
}

}  // namespace easel
