// What Submit refuses, and what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "server/engine/engine.h"
#include "tests/server/engine/studio.h"
#include "tests/testing/recording_listener.h"

namespace easel {
namespace {

using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(AdmissionTest, AFullQueueRefusesAllOfARequest) {
  EngineOptions options = Rows(1);
  options.max_queue = 2;
  Studio studio(options);
  studio.gate->Hold();
  const auto first = studio.Submit(Spec(0, 1));
  studio.gate->AwaitForwards(1);
  const auto second = studio.Submit(Spec(1, 1));
  const auto a = std::make_shared<RecordingListener>(), b = std::make_shared<RecordingListener>();
  EXPECT_EQ(studio.engine->Submit("tiny", {{Spec(2, 1), a}, {Spec(3, 1), b}}).status().code(),
            absl::StatusCode::kResourceExhausted);
  const auto third = studio.Submit(Spec(4, 1));
  EXPECT_EQ(studio.Refusal(Spec(5, 1)).code(), absl::StatusCode::kResourceExhausted);
  studio.gate->Release();
  for (const auto* order : {&first, &second, &third}) studio.ExpectItsPicture(*order);
  EXPECT_THAT(a->events(), IsEmpty());
  EXPECT_THAT(b->events(), IsEmpty());
}

TEST(AdmissionTest, RefusalsNameTheField) {
  Studio studio;
  GenerationSpec spec = Spec(0, 0);
  EXPECT_EQ(studio.Refusal(spec).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(studio.Refusal(spec).message()), StartsWith("num_inference_steps"));
  SubmitOptions options;
  options.preview_method = "crystal ball";
  EXPECT_THAT(std::string(studio.Refusal(Spec(0, 1), options).message()), StartsWith("preview_method"));
  options = {};
  options.preview_every_n_steps = -1;
  EXPECT_THAT(std::string(studio.Refusal(Spec(0, 1), options).message()),
              StartsWith("preview_every_n_steps"));
  EXPECT_THAT(std::string(studio.engine->Submit("tiny", {}).status().message()), StartsWith("num_images"));
  EXPECT_EQ(studio.engine->Submit("other", {{Spec(0, 1), nullptr}}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(AdmissionTest, ATenantsCapIsItsOwn) {
  EngineOptions options = Untimed();
  options.max_tenant_jobs = 1;
  Studio studio(options);
  studio.gate->Hold();
  SubmitOptions of_a, of_b;
  of_a.tenant = "a";
  of_b.tenant = "b";
  const auto a = studio.Submit(Spec(1, 2), of_a);
  EXPECT_EQ(studio.Refusal(Spec(2, 2), of_a).code(), absl::StatusCode::kResourceExhausted);
  const auto b = studio.Submit(Spec(3, 2), of_b);
  studio.gate->Release();
  studio.ExpectItsPicture(a);
  studio.ExpectItsPicture(b);
}

}  // namespace
}  // namespace easel
