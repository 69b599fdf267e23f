// The seed contract as a property: whatever happens around a picture, its bytes are those of its spec alone.
#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <type_traits>
#include <vector>

#include "model/families.h"
#include "model/pipeline.h"
#include "server/engine/engine.h"
#include "server/engine/thread_team.h"
#include "tests/model/io/temporary_directory.h"
#include "tests/testing/recording_listener.h"
#include "tests/testing/tiny_pipeline.h"

namespace easel {
namespace {

constexpr int kSide = 16, kLatentSide = 8;

// What happens at a forward, and how many rows it may have.
struct Stage {
  std::function<void(int)> at_forward = [](int) {};  // given its number; on the threads of the forwards
  std::atomic<int> forwards = 0;
  std::atomic<int> fitting_rows = 1 << 20;
  std::atomic<int> too_big = 0;  // forwards that were
};

// A network of one size made to take smaller ones, too, with zeros around them.
class StagedNetwork : public Transformer {
 public:
  StagedNetwork(Stage* stage, std::unique_ptr<Transformer> network)
      : stage_(stage), network_(std::move(network)) {}
  at::Tensor Forward(const at::Tensor& latent, const at::Tensor& time,
                     const Conditioning& conditioning) const override {
    stage_->at_forward(++stage_->forwards);
    if (latent.size(0) > stage_->fitting_rows) {
      ++stage_->too_big;
      TORCH_CHECK_WITH(OutOfMemoryError, false, "out of memory");
    }
    const int64_t height = latent.size(2), width = latent.size(3);
    const at::Tensor padded = at::constant_pad_nd(latent, {0, kLatentSide - width, 0, kLatentSide - height});
    return network_->Forward(padded, time, conditioning)
        .narrow(2, 0, height)
        .narrow(3, 0, width)
        .contiguous();
  }

 private:
  Stage* const stage_;
  std::unique_ptr<Transformer> network_;
};

std::shared_ptr<const Pipeline> MakePipeline(Stage* stage) {
  const TemporaryDirectory directory;
  const absl::Status written = WriteTinyModel(directory.path(), TinyModel::kEasel);
  EXPECT_TRUE(written.ok()) << written;
  auto parts = LoadParts(directory.path(), c10::Device(c10::kCPU), c10::kFloat);
  EXPECT_TRUE(parts.ok()) << parts.status();
  parts->transformer = std::make_unique<StagedNetwork>(stage, std::move(parts->transformer));
  parts->info.fixed_size = false;
  parts->info.size_multiple = 4;
  parts->info.max_side = kSide;
  return std::make_shared<const Pipeline>(*std::move(parts));
}

// A request, and the forwards at which it comes and is cancelled.
struct Order {
  GenerationSpec spec;
  SubmitOptions options;
  int comes = 0;
  int cancelled = 0;  // 0: never
  std::shared_ptr<RecordingListener> listener = std::make_shared<RecordingListener>();
};

class Random {
 public:
  explicit Random(uint32_t seed) : generator_(seed) {}
  int Below(int n) { return static_cast<int>(generator_() % static_cast<uint32_t>(n)); }
  template <typename... Values>
  auto Any(Values... values) {
    const std::vector<std::common_type_t<Values...>> all{values...};
    return all[Below(static_cast<int>(all.size()))];
  }

 private:
  std::mt19937 generator_;
};

Order MakeOrder(uint64_t seed, Random& random, const Pipeline& pipeline) {
  Order order;
  GenerationSpec& spec = order.spec;
  spec.seed = seed;
  switch (random.Below(3)) {
    case 0:
      spec.prompt = random.Any("a red apple", "green", "a b c d e f g h");
      break;
    case 1:
      spec.class_label = random.Below(pipeline.info().num_classes);
      break;
  }
  const bool conditioned = spec.prompt.has_value() || spec.class_label.has_value();
  spec.guidance_scale = conditioned ? random.Any(0.0, 1.0, 1.0, 2.5, 7.0) : 1;
  if (spec.guidance_scale > 1) spec.guidance_rescale = random.Any(0.0, 0.7);
  spec.width = random.Any(kSide, kSide, kSide, kSide, kSide / 2);
  spec.height = random.Any(kSide, kSide, kSide, kSide, kSide - 4);
  spec.num_inference_steps = 1 + random.Below(6);
  spec.flow_shift = random.Any(1.0, 3.0);
  spec.sampler = pipeline.info().samplers[random.Below(static_cast<int>(pipeline.info().samplers.size()))];
  order.options.preview_every_n_steps = random.Any(0, 0, 1, 2);
  if (order.options.preview_every_n_steps > 0) order.options.preview_method = random.Any("linear", "decoder");
  order.comes = random.Below(20);
  if (random.Below(6) == 0) order.cancelled = order.comes + 1 + random.Below(8);
  // The clock of these tests counts forwards.
  if (random.Below(6) == 0) {
    order.options.deadline = absl::FromUnixSeconds(order.comes + 2 + random.Below(40));
  }
  return order;
}

// One engine and one random mix, whose members come and go at certain forwards.
class Mix {
 public:
  Mix(std::vector<Order> orders, std::shared_ptr<const Pipeline> pipeline, Stage* stage,
      EngineOptions options)
      : orders_(std::move(orders)), handles_(orders_.size()), came_(orders_.size()), stage_(stage) {
    stage_->forwards = 0;
    options.now = [stage] { return absl::FromUnixSeconds(stage->forwards); };
    engine_ = std::make_unique<Engine>(std::vector<NamedPipeline>{{"tiny", std::move(pipeline)}}, options);
    stage_->at_forward = [this](int forward) { At(forward); };
  }

  // Returns when all have ended.
  void Run() {
    At(0);
    for (size_t i = 0; i < orders_.size(); ++i) {
      Come(i);  // if there were too few forwards
      (void)orders_[i].listener->AwaitEnd();  // how it ended is looked at later
    }
    engine_->Drain(absl::InfiniteFuture());
    stage_->at_forward = [](int) {};
  }

  const std::vector<Order>& orders() const { return orders_; }

 private:
  void At(int forward) {
    for (size_t i = 0; i < orders_.size(); ++i) {
      if (orders_[i].comes <= forward) Come(i);
      if (orders_[i].cancelled > 0 && orders_[i].cancelled <= forward) {
        MutexLock lock(&mutex_);
        handles_[i].Cancel();
      }
    }
  }

  void Come(size_t i) {
    {
      MutexLock lock(&mutex_);
      if (came_[i]) return;
      came_[i] = true;
    }
    const Order& order = orders_[i];
    auto handles = engine_->Submit("tiny", {{order.spec, order.listener}}, order.options);
    if (!handles.ok()) return order.listener->OnFailure(handles.status(), {});
    MutexLock lock(&mutex_);
    handles_[i] = std::move(handles->front());
  }

  std::vector<Order> orders_;
  Mutex mutex_;
  std::vector<JobHandle> handles_;
  std::vector<bool> came_;
  Stage* const stage_;
  std::unique_ptr<Engine> engine_;
};

TEST(SeedPropertyTest, APicturesBytesDependOnItsSpecAlone) {
  UseOneIntraOpThread();
  Stage stage;
  const auto pipeline = MakePipeline(&stage);
  int made = 0, cancelled = 0, expired = 0, shared = 0;
  for (uint32_t seed = 1; seed <= 16; ++seed) {
    SCOPED_TRACE(testing::Message() << "mix " << seed);
    Random random(seed);
    EngineOptions options;
    options.cpu_workers = 1 + seed % 2;
    options.cpu_threads = random.Any(1, 1, 2);
    options.max_batch_rows = random.Any(4, 8, 16);
    stage.fitting_rows = random.Any(2, 2, 3, 4, 1 << 20);  // 2: a guided picture fits
    std::vector<Order> orders;
    for (uint64_t i = 0; i < 20; ++i) orders.push_back(MakeOrder(seed * 100 + i, random, *pipeline));
    Mix mix(std::move(orders), pipeline, &stage, options);
    mix.Run();
    stage.fitting_rows = 1 << 20;

    for (const Order& order : mix.orders()) {
      SCOPED_TRACE(testing::Message() << "seed " << order.spec.seed);
      const absl::Status status = order.listener->AwaitEnd();
      EXPECT_EQ(order.listener->ends(), 1);
      if (absl::IsCancelled(status) && order.cancelled > 0) {
        ++cancelled;
      } else if (absl::IsDeadlineExceeded(status) && order.options.deadline < absl::InfiniteFuture()) {
        ++expired;
      } else {
        ASSERT_TRUE(status.ok()) << status;
        const auto alone = pipeline->Generate(order.spec);
        ASSERT_TRUE(alone.ok()) << alone.status();
        EXPECT_EQ(order.listener->image().rgb, alone->rgb);
        ++made;
        shared += order.listener->accounting().mean_batch_size > 1;
      }
    }
  }
  // Otherwise too little would have been shown.
  EXPECT_GT(made, 120);
  EXPECT_GT(shared, 60);
  EXPECT_GT(cancelled, 5);
  EXPECT_GT(expired, 3);
  EXPECT_GT(stage.too_big, 3);
}

}  // namespace
}  // namespace easel
