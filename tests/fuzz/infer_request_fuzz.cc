// Any bytes as a ModelInferRequest: a request for the service whose texts can be sent, or a refusal that
// names what is wrong.
#include <google/protobuf/stubs/logging.h>

#include <string>

#include "google/rpc/error_details.pb.h"
#include "server/inference/infer_request.h"
#include "tests/fuzz/fuzz.h"

namespace easel {
namespace {

void Fuzz(const inference::ModelInferRequest& given, Answer answer) {
  const auto parsed = ParseInferRequest(given, answer);
  if (parsed.ok()) {
    v1::GenerateRequest again;
    Require(again.ParseFromString(parsed->request.SerializeAsString()), "the request made is not read");
    Require(parsed->timeout > absl::ZeroDuration(), "a timeout that has passed");
    Require(given.outputs().empty() || given.outputs_size() <= 4, "outputs asked for twice were taken");
    return;
  }
  if (absl::IsNotFound(parsed.status())) return;
  const auto payload = parsed.status().GetPayload("type.googleapis.com/google.rpc.BadRequest");
  google::rpc::BadRequest details;
  Require(payload.has_value() && details.ParseFromString(std::string(*payload)),
          "a refusal without its fields");
  for (const auto& field : details.field_violations()) {
    Require(!field.field().empty() && !field.description().empty(), "a violation that names nothing");
  }
}

}  // namespace
}  // namespace easel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);  // it would write a line for each text that is not UTF-8
  inference::ModelInferRequest given;
  if (!given.ParseFromArray(data, static_cast<int>(size))) return 0;
  easel::Fuzz(given, easel::Answer::kStream);
  easel::Fuzz(given, easel::Answer::kUnary);
  return 0;
}
