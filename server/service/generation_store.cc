#include "server/service/generation_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/service/model_description.h"

namespace easel {
absl::StatusOr<std::shared_ptr<Generation>> GenerationStore::Add(std::shared_ptr<Generation> fresh,
                                                                 const GenerationKey& key) {
  const Name name(key.tenant, key.request_id);
  for (;;) {
    std::shared_ptr<Generation> holder;
    bool same = false;
    {
      MutexLock lock(&mutex_);
      const auto named = key.request_id.empty() ? names_.end() : names_.find(name);
      if (named == names_.end()) {
        if (!tenants_.contains(key.tenant) && tenants_.size() >= static_cast<size_t>(options_.max_tenants)) {
          return absl::ResourceExhaustedError(
              absl::StrCat("more than ", options_.max_tenants, " tenants have generations here"));
        }
        ++tenants_[key.tenant];
        if (!key.request_id.empty()) names_[name] = fresh->id();
        entries_[fresh->id()] = {fresh, key};
        return fresh;
      }
      const Entry& entry = entries_.at(named->second);
      holder = entry.generation;
      same = entry.key.body == key.body;
    }
    if (!holder->failed()) {
      if (same) return holder;
      return absl::AlreadyExistsError(absl::StrCat("request_id: ", Quoted(key.request_id),
                                                   " is the name of another request, generation ",
                                                   holder->id()));
    }
    MutexLock lock(&mutex_);
    const auto named = names_.find(name);
    if (named != names_.end() && named->second == holder->id()) names_.erase(named);
  }
}

void GenerationStore::Remove(const std::string& id) {
  std::shared_ptr<Generation> dropped;  // after the lock
  MutexLock lock(&mutex_);
  dropped = ForgetLocked(id);
}

void GenerationStore::Ended(const std::string& id, int64_t bytes, absl::Time now) {
  Dropped dropped;  // after the lock
  MutexLock lock(&mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  found->second.bytes = bytes + kBytesOfOne;
  found->second.expires = now + options_.keep;
  bytes_ += found->second.bytes;
  ended_.push_back(id);
  while (bytes_ > options_.keep_bytes) ForgetOldestLocked(&dropped);
}

void GenerationStore::Expire(absl::Time now) {
  Dropped dropped;  // after the lock
  MutexLock lock(&mutex_);
  while (!ended_.empty() && entries_.at(ended_.front()).expires <= now) ForgetOldestLocked(&dropped);
}

void GenerationStore::ForgetOldestLocked(Dropped* dropped) {
  const std::string id = ended_.front();
  ended_.pop_front();
  bytes_ -= entries_.at(id).bytes;
  dropped->push_back(ForgetLocked(id));
  forgotten_.push_back(dropped->back());
}

std::shared_ptr<Generation> GenerationStore::ForgetLocked(const std::string& id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) return nullptr;
  const Entry entry = std::move(found->second);
  entries_.erase(found);
  const auto named = names_.find({entry.key.tenant, entry.key.request_id});
  if (named != names_.end() && named->second == id) names_.erase(named);
  const auto tenant = tenants_.find(entry.key.tenant);
  if (--tenant->second == 0) tenants_.erase(tenant);
  return entry.generation;
}

absl::StatusOr<std::shared_ptr<Generation>> GenerationStore::Find(std::string_view tenant,
                                                                  const std::string& id) const {
  MutexLock lock(&mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end() || found->second.key.tenant != tenant) {
    return absl::NotFoundError(
        absl::StrCat("id: ", Quoted(id), " is no generation, or its result is no longer kept"));
  }
  return found->second.generation;
}

std::vector<std::shared_ptr<Generation>> GenerationStore::Alive() {
  std::vector<std::shared_ptr<Generation>> alive;
  MutexLock lock(&mutex_);
  for (const auto& [id, entry] : entries_) alive.push_back(entry.generation);
  std::erase_if(forgotten_, [&alive](const std::weak_ptr<Generation>& weak) {
    std::shared_ptr<Generation> generation = weak.lock();
    if (generation != nullptr) alive.push_back(std::move(generation));
    return weak.expired();
  });
  return alive;
}

}  // namespace easel
