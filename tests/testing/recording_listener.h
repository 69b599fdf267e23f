// A JobListener that remembers, and can be waited for.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/engine/job_listener.h"
#include "server/sync/mutex.h"

namespace easel {

// Thread-safe.
class RecordingListener : public JobListener {
 public:
  void OnQueued(int position, std::optional<double> estimated_wait_seconds) override {
    Record(absl::StrCat("queued ", position), [&] { estimated_wait_seconds_ = estimated_wait_seconds; });
  }
  void OnStarted(const std::string& device) override { Record(absl::StrCat("started ", device)); }
  void OnProgress(const JobProgress& progress) override {
    Record(absl::StrCat("progress ", progress.step, "/", progress.total),
           [&] { progress_.push_back(progress); });
  }
  void OnPreview(int step, Image preview) override {
    Record(absl::StrCat("preview ", step), [&] { previews_.push_back(std::move(preview)); });
  }
  void OnImage(Image image, const JobAccounting& accounting) override {
    Record("image", [&] { End(absl::OkStatus(), std::move(image), accounting); });
  }
  void OnFailure(const absl::Status& status, const JobAccounting& accounting) override {
    Record(absl::StrCat("failure ", absl::StatusCodeToString(status.code())),
           [&] { End(status, {}, accounting); });
  }

  // Blocks until the event was recorded.
  void Await(const std::string& event) const {
    MutexLock lock(&mutex_);
    mutex_.Await([&] {
      mutex_.AssertHeld();
      return std::find(events_.begin(), events_.end(), event) != events_.end();
    });
  }
  // Blocks until the job has ended; then how.
  absl::Status AwaitEnd() const {
    MutexLock lock(&mutex_);
    mutex_.Await([this] {
      mutex_.AssertHeld();
      return ends_ > 0;
    });
    return status_;
  }

  // In words: "queued 2", "started cpu", "progress 1/4", "preview 1", "image", "failure CANCELLED".
  std::vector<std::string> events() const { return Read(events_); }
  std::vector<JobProgress> progress() const { return Read(progress_); }
  std::vector<Image> previews() const { return Read(previews_); }
  std::optional<double> estimated_wait_seconds() const { return Read(estimated_wait_seconds_); }
  int ends() const { return Read(ends_); }
  absl::Status status() const { return Read(status_); }
  Image image() const { return Read(image_); }
  JobAccounting accounting() const { return Read(accounting_); }

 private:
  void Record(std::string event) {
    Record(std::move(event), [] {});
  }
  template <typename Store>
  void Record(std::string event, Store store) {
    MutexLock lock(&mutex_);
    store();
    events_.push_back(std::move(event));
    mutex_.NotifyAll();
  }
  void End(absl::Status status, Image image, const JobAccounting& accounting) {
    mutex_.AssertHeld();
    status_ = std::move(status);
    image_ = std::move(image);
    accounting_ = accounting;
    ++ends_;
  }
  template <typename T>
  T Read(const T& member) const {
    MutexLock lock(&mutex_);
    return member;
  }

  mutable Mutex mutex_;
  std::vector<std::string> events_;
  std::vector<JobProgress> progress_;
  std::vector<Image> previews_;
  std::optional<double> estimated_wait_seconds_;
  absl::Status status_;
  Image image_;
  JobAccounting accounting_;
  int ends_ = 0;
};

}  // namespace easel
