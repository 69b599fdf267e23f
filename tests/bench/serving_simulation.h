// A server in simulated time: the engine's own policies, costs and queue (server/engine/), with tables of step times
// in place of a network. Whole hours on 64 devices take seconds; what it leaves out is what tables do not know: noise,
// gRPC, and the threads' own time.
#pragma once

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "client/load/load_report.h"
#include "server/engine/batch_policy.h"
#include "server/engine/model_costs.h"

namespace easel {

// One picture asked for.
struct SimulatedRequest {
  double arrival = 0;  // s; in the order of the requests
  int width = 0, height = 0;  // one of SimulatedServer::costs
  int rows = 1;               // of a forward: 2 with guidance
  int steps = 1;
  double slo = std::numeric_limits<double>::infinity();  // s after arrival until which it is in time
  bool deadline = false;                                 // that the server knows of the SLO
  std::string tenant = {};
  double weight = 1;
  int priority = 0;
};

// The forward that a worker is about to run at `now` (s): positions in the requests, in the order of the policy's answer.
using ForwardTrace = std::function<void(int worker, double now, const std::vector<size_t>& requests)>;

struct SimulatedServer {
  int workers = 1;
  // Of one model on one worker, an entry a size of picture: what things take, and what the server was told beforehand.
  std::vector<ModelCosts> costs = {};
  BatchPolicyFactory policy = nullptr;  // not null
  int max_batch_rows = 32;
  int max_queue = std::numeric_limits<int>::max();
  int max_tenant_jobs = 0;  // 0: no such limit
  int preview_every_n_steps = 1;  // as fast as nothing, as linear ones are; 0: none
  ForwardTrace trace = nullptr;
};

// Seconds that the request takes alone on a server without other work, its encoding and decoding included.
double SoloSeconds(const SimulatedServer& server, const SimulatedRequest& request);

// What becomes of each request, in their order; times in seconds. The same for the same arguments.
std::vector<LoadRecord> Simulate(const SimulatedServer& server, const std::vector<SimulatedRequest>& requests);

}  // namespace easel
