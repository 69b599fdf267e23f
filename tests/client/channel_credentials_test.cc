#include "client/channel_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace easel {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const ClientTls& tls) {
  return std::string(MakeChannelCredentials(tls).status().message());
}

TEST(ChannelCredentialsTest, PlainTextWhereNothingIsNamed) { EXPECT_TRUE(MakeChannelCredentials({}).ok()); }

TEST(ChannelCredentialsTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(Refusal({.ca = "/no/such.pem"}), HasSubstr("/no/such.pem"));
  EXPECT_THAT(Refusal({.ca = "/dev/null"}), HasSubstr("/dev/null"));
  const std::string no_pem = ::testing::TempDir() + "no_pem";
  std::ofstream(no_pem) << "hello\n";
  EXPECT_THAT(Refusal({.ca = no_pem}), HasSubstr("no_pem holds no certificates in PEM"));
  EXPECT_THAT(Refusal({.ca = "a", .cert = "b"}), HasSubstr("come together"));
  EXPECT_THAT(Refusal({.ca = "a", .key = "b"}), HasSubstr("come together"));
  EXPECT_THAT(Refusal({.cert = "a", .key = "b"}), HasSubstr("needs the server's CA"));
}

// What gRPC says of each, so that a change of its words is noticed: tests/e2e/tls_test.py.
TEST(ChannelCredentialsTest, OnlyAFailureToConnectIsAboutTls) {
  EXPECT_EQ(TlsHint(false, "Socket closed"), "");
  EXPECT_EQ(TlsHint(false, "failed to connect to all addresses; last error: Connection refused"), "");
  EXPECT_THAT(TlsHint(false, "failed to connect to all addresses; last error: Socket closed"),
              HasSubstr("--tls-ca"));
}

}  // namespace
}  // namespace easel
