#include "server/service/call_metadata.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"

namespace easel {
namespace {

TEST(CallMetadataTest, TenantsArePlainNames) {
  for (const char* good : {"a", "Team-7", "org.example_x", "0123456789"}) {
    EXPECT_EQ(*CheckedTenant(good), good);
  }
  EXPECT_TRUE(CheckedTenant(std::string(64, 'x')).ok());
  for (const std::string& bad : {std::string(), std::string(65, 'x'), std::string("a b"), std::string("a/b"),
                                 std::string("\xC3\xA4"), std::string("a\0b", 3)}) {
    const absl::Status status = CheckedTenant(bad).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    google::rpc::BadRequest details;
    const auto payload = status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
    ASSERT_TRUE(payload.has_value() && details.ParseFromString(std::string(*payload)));
    EXPECT_EQ(details.field_violations(0).field(), "x-easel-tenant");
  }
}

}  // namespace
}  // namespace easel
