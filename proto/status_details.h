// google.rpc details (error_details.proto) of an absl::Status: payloads under their type's URL, as
// google.rpc.Status carries them over the wire.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace easel {

template <typename Detail>
std::string DetailUrl() {
  return absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name());
}

template <typename Detail>
void AttachDetail(absl::Status& status, const Detail& detail) {
  status.SetPayload(DetailUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
}

// Nothing where the status has none of that type, or one that does not parse.
template <typename Detail>
std::optional<Detail> DetailOf(const absl::Status& status) {
  const auto payload = status.GetPayload(DetailUrl<Detail>());
  Detail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

}  // namespace easel
