// The policies that serving benchmarks compare, by name: Easel's own and the baselines.
#pragma once

#include <string>
#include <vector>

#include "server/engine/batch_policy.h"

namespace easel {

struct ServingPolicy {
  std::string name;
  BatchPolicyFactory policy;
  // Whether requests are sent with their deadlines. To the others the engine would do a favour, for it drops what is
  // late whatever the policy: a server that knows no deadlines draws everything to its end.
  bool deadlines = true;
};

// "easel" first: Batcher. "fcfs", "batch" and "steps": the baselines (baseline_policies.h). "fcfs-timeout": fcfs that is
// told the deadlines, and so drops what is late.
const std::vector<ServingPolicy>& ServingPolicies();
std::vector<std::string> ServingPolicyNames();
// REQUIRES: one of the names.
const ServingPolicy& ServingPolicyNamed(const std::string& name);

}  // namespace easel
