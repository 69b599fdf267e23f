#include "server/service/held_bytes.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <random>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "server/service/event_stream.h"
#include "server/service/generation_store.h"
#include "tests/server/service/picture_events.h"

namespace easel {
namespace {

constexpr int kSide = 64;
constexpr absl::Time kStart = absl::UnixEpoch();

int64_t HeapBytes() { return static_cast<int64_t>(mallinfo2().uordblks + mallinfo2().hblkhd); }

Image Noise(int seed) {
  Image image{kSide, kSide, std::vector<uint8_t>(kSide * kSide * 3)};
  std::mt19937 random(seed);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random() % 16);  // so that a PNG is smaller
  return image;
}

GenerationPlan Plan(const std::string& prompt, int pictures) {
  GenerationPlan plan = PlanOf(pictures, ImageFormat::kPng);
  plan.preview.format = ImageFormat::kPng;
  plan.resolved.set_prompt(prompt);
  for (GenerationSpec& spec : plan.pictures) spec.prompt = prompt;
  return plan;
}

// Generations with their readers, from their beginning to where they are only kept.
class Keeper : public ServiceObserver {
 public:
  // The bytes that were told.
  int64_t MakeOne(const std::string& id, const std::string& prompt, int pictures) {
    std::atomic<int64_t> told = 0;
    Generation::Options options;
    options.id = id;
    options.now = [] { return kStart; };
    options.pool = &pool_;
    options.observer = this;
    options.ended = [&](int64_t bytes) {
      store_.Ended(id, bytes, kStart);
      told = bytes;
    };
    auto generation =
        *store_.Add(std::make_shared<Generation>(Plan(prompt, pictures), std::move(options)), {});
    EventStream reader(generation, {.wake = [] {}});
    std::vector<JobHandle> handles;
    std::vector<std::shared_ptr<JobListener>> listeners;
    for (int i = 0; i < pictures; ++i) {
      handles.emplace_back(std::make_shared<CancelFlag>(false), TokensCut{});
      listeners.push_back(generation->Listener(i));
    }
    generation->Begin(std::move(handles));
    for (int i = 0; i < pictures; ++i) {
      listeners[i]->OnStarted("cpu");
      for (int step = 1; step < 4; ++step) {
        listeners[i]->OnProgress(Step(step));
        listeners[i]->OnPreview(step, Noise(step));
        AwaitPool();
      }
      listeners[i]->OnImage(Noise(0), On("cpu"));
      AwaitPool();
    }
    while (!std::holds_alternative<absl::Status>(reader.Next())) {
    }
    return told;
  }

 private:
  void AwaitPool() {
    absl::Notification done;
    pool_.Submit([&done] { done.Notify(); });
    done.WaitForNotification();
  }

  ThreadPool pool_{1};
  GenerationStore store_{{absl::Hours(1), int64_t{1} << 40, 1000}};
};

TEST(HeldBytesTest, WhatIsCountedOfAKeptGenerationIsWhatItTakes) {
  for (const auto& [prompt, pictures] :
       {std::pair(std::string("a cat"), 1), std::pair(std::string("a cat"), 4),
        std::pair(std::string(5000, 'x'), 1)}) {
    Keeper keeper;
    for (int i = 0; i < 20; ++i) keeper.MakeOne(absl::StrCat("warm-up ", i), prompt, pictures);
    const int64_t before = HeapBytes();
    if (before == 0) GTEST_SKIP() << "this malloc does not tell what it gave";
    constexpr int kMany = 200;
    int64_t told = 0;
    for (int i = 0; i < kMany; ++i) told += keeper.MakeOne(absl::StrFormat("%016x", i), prompt, pictures);
    told += kMany * GenerationStore::kBytesOfOne;
    const int64_t held = HeapBytes() - before;
    EXPECT_NEAR(told, held, 0.05 * held) << pictures << " pictures, a prompt of " << prompt.size() << ": "
                                         << told / kMany << " counted, " << held / kMany << " held";
  }
}

}  // namespace
}  // namespace easel
