// What became of a load, in figures. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace easel {

// One measured request. Times are seconds of one clock; latencies count from `planned`, when the request was
// due, so that those who come while the sender is held up do not look fast.
struct LoadRecord {
  std::string tenant;  // of its kind; empty: none of its own
  double planned = 0, sent = 0, ended = 0;
  double solo = 0;      // its kind's latency alone
  double deadline = 0;  // seconds after `planned`, until which it is in time
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string message;                           // of what did not end well
  std::optional<double> first_preview;           // when it came
  std::optional<double> estimated_wait, waited;  // seconds: what the first `queued` said, what it then was
  double queue_seconds = 0;                      // the server's accounting, of those that ended well
  double mean_batch = 0;                         // likewise
};

// Zeros of no values.
struct Percentiles {
  size_t count = 0;
  double p50 = 0, p95 = 0, p99 = 0;
};
// Of each, the smallest value that at least so many per cent do not exceed.
Percentiles PercentilesOf(std::vector<double> values);

struct LoadReport {
  size_t requests = 0;                 // measured, whatever became of them
  size_t completed = 0;                // with their pictures
  size_t in_time = 0;                  // completed within their deadline
  double seconds = 0;                  // from the first one's due time to the last one's end
  double throughput = 0, goodput = 0;  // completed, and in time, a second
  double attainment = 0;               // in time, as a share of requests
  Percentiles latency, slowdown;       // of those completed; slowdown: over the latency alone
  Percentiles first_preview;           // from the due time
  Percentiles queue;                   // the server's queue_seconds
  Percentiles send_delay;              // sent after it was due
  std::optional<double> wait_error;    // median |estimated - real| / real of the first estimates
  size_t wait_estimates = 0;
  double mean_batch = 0;                              // over those completed
  std::map<std::string, size_t> errors;               // by the name of the code
  std::map<std::string, std::string> error_messages;  // of the first of each
};

LoadReport Summarize(const std::vector<LoadRecord>& records);
// By tenant; empty when all are of one.
std::map<std::string, LoadReport> SummarizeTenants(const std::vector<LoadRecord>& records);

// What --verify found.
struct Verification {
  size_t compared = 0, different = 0, not_compared = 0;
};

struct SoloTime {
  std::string kind;
  double seconds = 0;
};

// All that is printed.
struct LoadOutcome {
  LoadReport all;
  std::map<std::string, LoadReport> tenants;
  std::vector<SoloTime> solo;
  std::optional<Verification> verification;
  bool interrupted = false;
};

std::string OutcomeTable(const LoadOutcome& outcome);
std::string OutcomeJson(const LoadOutcome& outcome);  // one line, without a line break

}  // namespace easel
