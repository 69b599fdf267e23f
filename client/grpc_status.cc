#include "client/grpc_status.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/channel_credentials.h"
#include "client/image_client.h"
#include "google/rpc/status.pb.h"

namespace easel {
namespace {

// What gRPC says of a stream that ended with a frame of HTTP/2's, not with a server's words.
constexpr char kReset[] = "Received RST_STREAM";

}  // namespace

absl::Status ToStatus(const grpc::Status& status, grpc::Channel& channel,
                      const ImageClient::Options& options) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status details;
  details.ParseFromString(
      status.error_details());  // what does not parse leaves no details: the code and message stand
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && details.details().empty() &&
      channel.GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_TRANSIENT_FAILURE) {
    if (const std::string hint = TlsHint(!options.tls_ca.empty(), status.error_message()); !hint.empty()) {
      absl::Status refused = absl::UnavailableError(
          absl::StrCat("no connection to ", options.server, " (", status.error_message(), ")"));
      refused.SetPayload(ImageClient::kTlsPayload, absl::Cord(hint));
      return refused;
    }
    absl::Status nobody = absl::UnavailableError(
        absl::StrCat("no server answers at ", options.server, " (", status.error_message(), ")"));
    nobody.SetPayload(ImageClient::kNoServerPayload, absl::Cord(options.server));
    return nobody;
  }
  // A proxy's ways to end a stream whose server has died: without a status, as haproxy does, of which gRPC
  // makes UNKNOWN, as no server of ours says; or with a reset, of which it makes INTERNAL, or CANCELLED, as
  // if we had asked for that.
  const bool ended = status.error_code() == grpc::StatusCode::UNKNOWN;
  const bool was_reset = absl::StartsWith(status.error_message(), kReset) &&
                         status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED;
  if ((ended || was_reset) && details.details().empty()) {
    return absl::UnavailableError(absl::StrCat("the stream broke off (", status.error_message(), ")"));
  }
  absl::Status result(code, status.error_message());
  for (const auto& detail : details.details())
    result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  return result;
}

}  // namespace easel
