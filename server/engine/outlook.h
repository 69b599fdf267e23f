// What a policy is to know of one worker's jobs: what they cost, when they are due, where their tenants
// stand. Used by the worker's thread.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "server/engine/batch_policy.h"
#include "server/engine/cost_model.h"
#include "server/engine/job.h"
#include "server/engine/tenant_shares.h"

namespace easel {

class Outlook {
 public:
  // `costs` must outlive it.
  explicit Outlook(const CostModel* costs) : costs_(costs) {}

  // A job came to the worker, ended, had so many seconds of work done for it.
  void Arrived(const Job& job, absl::Time now);
  void Ended(const Job& job) { shares_.Leave(job.tenant); }
  void Served(const Job& job, double seconds, absl::Time now);

  // `since`: when it last took part in a forward, or was submitted. The ranks are for the caller to fill in.
  BatchCandidate Candidate(const Job& job, const JobWork& left, absl::Time since, absl::Time now) const;

 private:
  const CostModel* const costs_;
  TenantShares shares_;
};

// All of a job that has not begun.
JobWork WholeWork(const Job& job);

}  // namespace easel
