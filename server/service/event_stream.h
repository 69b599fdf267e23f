// One reader of a generation, from where it stands on.
#pragma once

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "server/service/generation.h"

namespace easel {

// Its own state is under the generation's mutex. Holds the generation, so that what it has still to send is
// there even when nobody else can find it any more.
class EventStream {
 public:
  using Item = Generation::Item;

  EventStream(std::shared_ptr<Generation> generation, Generation::ReaderOptions options)
      : generation_(std::move(generation)), reader_(generation_->AddReader(std::move(options))) {}
  // REQUIRES: Next gave the end, or was never called.
  ~EventStream() { generation_->RemoveReader(reader_); }
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // Asked from one thread at a time. After it gave nothing it must not be asked again until `wake` was
  // called, which happens once, as soon as there is something. So the right to ask is always in one hand, and
  // a reader needs no lock. It must not be asked again after the end.
  Item Next() { return generation_->Next(reader_); }

  // What Next gave has been written: until it is asked again, the reader is not what holds things up.
  void Written() { generation_->Written(reader_); }

  // The reader has gone, for this reason (not OK), which Next gives at once; what becomes of the generation,
  // ReaderOptions::owns says. Any thread.
  void Leave(absl::Status reason) { generation_->Leave(reader_, std::move(reason)); }

  Generation& generation() { return *generation_; }

 private:
  const std::shared_ptr<Generation> generation_;
  const int reader_;
};

}  // namespace easel
