#include "client/repeatable_request.h"

#include "absl/strings/str_format.h"

namespace easel {

v1::GenerateRequest Repeatable(v1::GenerateRequest request, const std::function<uint64_t()>& random) {
  if (!request.request_id().empty()) return request;
  if (!request.has_seed()) request.set_seed(random());
  request.set_request_id(absl::StrFormat("%016x%016x", random(), random()));
  return request;
}

}  // namespace easel
