#include "tests/bench/serving_policies.h"

#include <algorithm>
#include <memory>

#include "server/engine/batcher.h"
#include "tests/bench/baseline_policies.h"

namespace easel {

const std::vector<ServingPolicy>& ServingPolicies() {
  static const std::vector<ServingPolicy> policies = {
      {"easel", [](int max_rows) { return std::make_unique<Batcher>(max_rows); }},
      {"fcfs", FirstComeFirstServed(), /*deadlines=*/false},
      {"fcfs-timeout", FirstComeFirstServed()},
      {"batch", WholeRequestBatches(), /*deadlines=*/false},
      {"steps", StepLevelWithoutDeadlines(), /*deadlines=*/false},
  };
  return policies;
}

std::vector<std::string> ServingPolicyNames() {
  std::vector<std::string> names;
  for (const ServingPolicy& policy : ServingPolicies()) names.push_back(policy.name);
  return names;
}

const ServingPolicy& ServingPolicyNamed(const std::string& name) {
  return *std::find_if(ServingPolicies().begin(), ServingPolicies().end(),
                       [&](const ServingPolicy& policy) { return policy.name == name; });
}

}  // namespace easel
