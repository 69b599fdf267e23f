// What requests take and give when nobody else asks: the measure of a load.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "client/image_client.h"
#include "client/load/load_mix.h"
#include "client/load/load_report.h"
#include "client/load/load_run.h"

namespace easel {

// Called with how many are done, of how many.
using OnShare = std::function<void(size_t done, size_t total)>;

// The median of each kind's latency over a few requests, one at a time, after one that is not counted.
absl::StatusOr<std::vector<double>> TimeAlone(ImageClient& client, const std::vector<LoadKind>& mix,
                                              const OnShare& on_share);

// Draws the request of each that completed once more, alone and without previews, and compares the pictures'
// bytes; one picture for all that asked for the same. What could not be drawn is not compared.
Verification VerifyAlone(ImageClient& client, const std::vector<LoadRun::Ended>& ended,
                         const OnShare& on_share);

}  // namespace easel
