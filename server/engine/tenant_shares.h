// Who has had more than its share of a worker. Pure: time is passed in.
//
// A tenant's use is the seconds of work done for it, fading with a time constant of kMemory. Among the
// tenants that have jobs, each one's share is its weight's part of the use of all; who has used more, by over
// kSlack, is over its share, and the others' jobs go before its own. So while several have work, their use
// settles in the proportion of their weights, as in start-time fair queueing, whose virtual time is here use
// / weight.
//
// Why use fades, which textbook queues (deficit round robin, start-time fair queueing) do not have: they give
// a tenant its share of every moment, so a tenant that asks for little is slowed to its share whenever
// another floods. Here shares hold over kMemory: who has used less than its share lately goes first, in full,
// until it has caught up, and who flooded while alone steps back at once when another comes. The fading
// bounds both: what was not used does not pile up (at most kMemory seconds of work are anybody's lead), and a
// flood is forgiven.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

namespace easel {

class TenantShares {
 public:
  static constexpr double kMemory = 10;     // s
  static constexpr double kSlack = 0.5;     // s; within it deadlines decide, not shares
  static constexpr size_t kMostIdle = 256;  // tenants without jobs that are remembered

  // A job of the tenant arrived, or went. The weight (> 0) is the newest job's. `now`: s, never falling.
  void Join(const std::string& tenant, double weight, double now);
  void Leave(const std::string& tenant);  // REQUIRES: a Join for it

  // So many seconds of work were done for it, up to `now`.
  void Charge(const std::string& tenant, double seconds, double now);

  // Seconds that it has used beyond its share of what those with jobs have used; negative: it is behind.
  double Lead(const std::string& tenant) const;
  static bool IsOver(double lead) { return lead > kSlack; }

  size_t size() const { return tenants_.size(); }

 private:
  struct Tenant {
    double weight = 1;
    double used = 0;  // as of now_
    int jobs = 0;
  };
  void FadeTo(double now);
  void ForgetIdle();
  double Level() const;

  std::map<std::string, Tenant> tenants_;
  double now_ = 0;
  mutable std::optional<double> level_;  // use by weight, over those with jobs; none: to be summed up anew
};

}  // namespace easel
