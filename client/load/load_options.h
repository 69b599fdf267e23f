// What `easel load` was told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace easel {

struct LoadOptions {
  // How requests arrive: at random times of `rate` a second whatever becomes of them (open loop), or, without
  // a rate, `concurrency` at a time, each sent when one ends (closed loop).
  std::optional<double> rate = {};
  uint32_t concurrency = 0;
  bool burst =
      false;  // open loop: Gamma-distributed gaps of coefficient of variation 4, not exponential ones

  // How many are measured: that number, or as many as arrive in `duration` seconds. One of the two is set.
  std::optional<uint64_t> requests = {};
  std::optional<double> duration = {};
  uint64_t warmup = 0;  // sent before them, in the same way, and not measured

  std::string mix = {};    // a file (load_mix.h); empty: BuiltInMix
  std::string model = {};  // of requests that name none; empty: the server's default
  uint64_t seed = 0;       // of arrivals, choices and pictures
  double slo = 3;          // a request is in time within this many times its kind's latency alone
  bool deadline = false;   // send that time as the call's deadline
  uint32_t preview = 0;    // every so many steps; 0: none
  bool verify = false;     // compare each picture with the same request's alone
};

}  // namespace easel
