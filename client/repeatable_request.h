// Requests that may be sent twice.
#pragma once

#include <cstdint>
#include <functional>

#include "easel/v1/image_generation.pb.h"

namespace easel {

// The request with what makes its repetition harmless: a request_id, by which the same server joins it to
// what it has begun, and a seed, by which another server draws the same. Made up where it has no request_id;
// one that its caller has named stays as it is, to be the same request from whoever sends it: servers take
// its seed from its name. `random`: any number at each call.
v1::GenerateRequest Repeatable(v1::GenerateRequest request, const std::function<uint64_t()>& random);

}  // namespace easel
