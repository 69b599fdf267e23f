// All generations that can be found: those under way, and those that have ended, for a bounded time and in
// bounded memory. By id, and by the name that a caller gave its request.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/service/generation.h"
#include "server/sync/mutex.h"

namespace easel {

// Whose a generation is, and what it is to its caller.
struct GenerationKey {
  std::string tenant;
  std::string request_id;  // empty: it has no name
  uint64_t body = 0;       // hash of the request as it was received
};

// Thread-safe; each call says what time it is. Its mutex is not held while a generation is asked or dropped.
class GenerationStore {
 public:
  struct Options {
    absl::Duration keep = absl::Minutes(10);  // what has ended
    int64_t keep_bytes = int64_t{256} << 20;  // of all that has ended; the oldest goes first
    int max_tenants = 1024;                   // that have generations here at a time
  };
  // Of one that has ended, besides what it told: its entry, its names.
  static constexpr int64_t kBytesOfOne = 512;

  explicit GenerationStore(const Options& options) : options_(options) {}

  // Keeps `fresh`, which is what comes back; or, where another of the tenant's has the name, comes back with
  // that one. One that failed or was cancelled gives up its name, so that a second try draws anew. Errors:
  //   AlreadyExists      the name is another request's
  //   ResourceExhausted  there are max_tenants others
  absl::StatusOr<std::shared_ptr<Generation>> Add(std::shared_ptr<Generation> fresh,
                                                  const GenerationKey& key);
  // Forgets one that was not taken up after all.
  void Remove(const std::string& id);
  // For Generation::Options::ended; may forget this one or older ones. Nothing when it is not here.
  void Ended(const std::string& id, int64_t bytes, absl::Time now);
  // Forgets what has been kept long enough.
  void Expire(absl::Time now);

  // NotFound, another tenant's too.
  absl::StatusOr<std::shared_ptr<Generation>> Find(std::string_view tenant, const std::string& id) const;
  // All, and those forgotten that someone still holds.
  std::vector<std::shared_ptr<Generation>> Alive();

  absl::Duration keep() const { return options_.keep; }

 private:
  using Name = std::pair<std::string, std::string>;  // tenant, request_id
  struct Entry {
    std::shared_ptr<Generation> generation;
    GenerationKey key;
    int64_t bytes = 0;                            // once it has ended
    absl::Time expires = absl::InfiniteFuture();  // likewise
  };
  using Dropped = std::vector<std::shared_ptr<Generation>>;

  std::shared_ptr<Generation> ForgetLocked(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first of ended_ and what it was.
  void ForgetOldestLocked(Dropped* dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;

  mutable Mutex mutex_;
  std::map<std::string, Entry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);  // by id
  std::map<Name, std::string> names_ ABSL_GUARDED_BY(mutex_);                  // ids
  std::map<std::string, int> tenants_ ABSL_GUARDED_BY(mutex_);                 // entries of each
  std::deque<std::string> ended_ ABSL_GUARDED_BY(mutex_);                      // ids, by end
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;                                  // of those
  std::vector<std::weak_ptr<Generation>> forgotten_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel
