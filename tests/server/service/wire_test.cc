#include "server/service/wire.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "easel/v1/image_generation.pb.h"
#include "google/rpc/error_details.pb.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

grpc::ByteBuffer Bytes(const std::string& text) {
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

std::vector<std::string> Fields(const absl::Status& status) {
  google::rpc::BadRequest details;
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  if (payload.has_value()) details.ParseFromString(std::string(*payload));
  std::vector<std::string> fields;
  for (const auto& violation : details.field_violations()) fields.push_back(violation.field());
  return fields;
}

// A request with that prompt, as a client that checks nothing sends it.
grpc::ByteBuffer WithPrompt(const std::string& prompt) {
  return Bytes(std::string("\x12") + static_cast<char>(prompt.size()) + prompt);
}

TEST(WireTest, MessagesComeBack) {
  v1::GenerateRequest request;
  request.set_prompt("ein Apfel, grün \xF0\x9F\x8D\x8F");
  request.set_seed(0);
  const auto parsed = Parse<v1::GenerateRequest>(Serialize(request));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->SerializeAsString(), request.SerializeAsString());
}

TEST(WireTest, TextThatIsNotUtf8IsAWrongField) {
  for (const std::string bad : {"\xFF", "a\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                                "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "ok \x80 ok"}) {
    const auto parsed = Parse<v1::GenerateRequest>(WithPrompt(bad));
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Fields(parsed.status()), ElementsAre("prompt")) << testing::PrintToString(bad);
  }
  for (const std::string good : {"", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(Parse<v1::GenerateRequest>(WithPrompt(good)).ok()) << testing::PrintToString(good);
  }
}

TEST(WireTest, NestedFieldsAreNamedByTheirPath) {
  v1::GenerateRequest request;
  request.mutable_preview()->set_method("@");
  std::string bytes = request.SerializeAsString();
  bytes[bytes.find('@')] = '\xFF';
  EXPECT_THAT(Fields(Parse<v1::GenerateRequest>(Bytes(bytes)).status()), ElementsAre("preview.method"));
}

TEST(WireTest, OtherBytesAreNoMessage) {
  const auto parsed = Parse<v1::GenerateRequest>(Bytes("\x12\x7Fshort"));
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("easel.v1.GenerateRequest"));
}

}  // namespace
}  // namespace easel
