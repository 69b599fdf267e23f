#include "client/cli/error_text.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/image_client.h"
#include "google/rpc/error_details.pb.h"
#include "proto/status_details.h"

namespace easel {
std::string ErrorText(const absl::Status& status) {
  const std::string code = absl::StatusCodeToString(status.code());
  std::string text = absl::StrCat("easel: ", code);
  // gRPC repeats the code where there is nothing to say.
  if (!status.message().empty() && status.message() != code) absl::StrAppend(&text, ": ", status.message());
  text += "\n";
  if (const auto bad = DetailOf<google::rpc::BadRequest>(status); bad.has_value()) {
    for (const auto& violation : bad->field_violations()) {
      const std::string line = absl::StrCat(violation.field(), ": ", violation.description());
      if (line != status.message()) absl::StrAppend(&text, "  ", line, "\n");  // else it stands above
    }
  }
  if (const auto retry = DetailOf<google::rpc::RetryInfo>(status); retry.has_value()) {
    absl::StrAppendFormat(
        &text, "  try again in %.3g s\n",
        static_cast<double>(retry->retry_delay().seconds()) + retry->retry_delay().nanos() * 1e-9);
  }
  if (const auto info = DetailOf<google::rpc::ErrorInfo>(status); info.has_value()) {
    absl::StrAppend(&text, "  ", info->reason(), "\n");
    for (const auto& [key, value] :
         std::map<std::string, std::string>(info->metadata().begin(), info->metadata().end())) {
      absl::StrAppend(&text, "  ", key, ": ", value, "\n");
    }
  }
  if (const auto hint = status.GetPayload(ImageClient::kTlsPayload); hint.has_value()) {
    absl::StrAppend(&text, "  ", std::string(*hint), "\n");
  }
  if (status.GetPayload(ImageClient::kNoServerPayload).has_value()) {
    absl::StrAppend(&text, "  start one with `easeld`, or name another with --server HOST:PORT\n");
  }
  return text;
}

}  // namespace easel
