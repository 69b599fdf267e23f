#include "server/service/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/server/service/hashed_key.h"

namespace easel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Code = absl::StatusCode;

const Authenticator::Metadata kNothing;

ApiKeys Keys(const std::string& text) { return *ApiKeys::Parse(text); }

TEST(AuthenticatorTest, WithoutKeysEveryoneIsTheSame) {
  const Authenticator authenticator({});
  EXPECT_EQ(authenticator.CallerOf(kNothing)->tenant, "");
  EXPECT_EQ(authenticator.CallerOf({{"authorization", "Bearer x"}, {"x-easel-tenant", "a"}})->tenant, "");
}

TEST(AuthenticatorTest, ATrustedHeaderSaysWhoseACallIs) {
  const Authenticator authenticator({.trust_tenant_header = true});
  EXPECT_EQ(authenticator.CallerOf(kNothing)->tenant, "");
  EXPECT_EQ(authenticator.CallerOf({{"x-easel-tenant", "a"}})->tenant, "a");
  EXPECT_EQ(authenticator.CallerOf({{"x-easel-tenant", "a b"}}).status().code(), Code::kInvalidArgument);
}

TEST(AuthenticatorTest, WithKeysTheTenantIsTheKeys) {
  Authenticator authenticator({});
  authenticator.SetKeys(Keys(absl::StrCat(HashedKey("k"), " shop weight=3")));
  for (const char* scheme : {"Bearer k", "bearer k"}) {
    const auto caller = authenticator.CallerOf({{"authorization", scheme}, {"x-easel-tenant", "other"}});
    ASSERT_TRUE(caller.ok()) << caller.status();
    EXPECT_EQ(caller->tenant, "shop");
    EXPECT_EQ(caller->weight, 3);
  }
}

TEST(AuthenticatorTest, WithoutAKeyOneIsUnauthenticatedAndToldWhatToSend) {
  Authenticator authenticator({.trust_tenant_header = true});
  authenticator.SetKeys(Keys(absl::StrCat(HashedKey("k"), " shop")));
  for (const auto& [metadata, told] : std::vector<std::pair<Authenticator::Metadata, std::string>>{
           {kNothing, "`authorization: Bearer KEY`"},
           {{{"x-easel-tenant", "shop"}}, "`authorization: Bearer KEY`"},
           {{{"authorization", "k"}}, "must be `Bearer KEY`"},
           {{{"authorization", "Basic k"}}, "must be `Bearer KEY`"},
           {{{"authorization", "Bearer wrong-key"}}, "not one of this server's"},
           {{{"authorization", "Bearer "}}, "not one of this server's"},
           {{{"authorization", "Bearer k"}, {"authorization", "Bearer k"}}, "more than once"}}) {
    const absl::Status status = authenticator.CallerOf(metadata).status();
    EXPECT_EQ(status.code(), Code::kUnauthenticated) << told;
    EXPECT_THAT(std::string(status.message()), HasSubstr(told));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("wrong-key")));
  }
}

// A proxy with a key of its own, which tells on whose behalf it calls.
TEST(AuthenticatorTest, ATrustedHeaderGoesBeforeTheKeysTenant) {
  Authenticator authenticator({.trust_tenant_header = true});
  authenticator.SetKeys(Keys(absl::StrCat(HashedKey("k"), " proxy weight=3")));
  EXPECT_EQ(authenticator.CallerOf({{"authorization", "Bearer k"}})->tenant, "proxy");
  const auto caller = authenticator.CallerOf({{"authorization", "Bearer k"}, {"x-easel-tenant", "a"}});
  EXPECT_EQ(caller->tenant, "a");
  EXPECT_EQ(caller->weight, 3);
}

TEST(AuthenticatorTest, NewKeysReplaceTheOldOnes) {
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  Authenticator authenticator({.now = [&now] { return now; }});
  authenticator.SetKeys(Keys(absl::StrCat(HashedKey("old"), " shop expires=2027-02-01")));
  EXPECT_TRUE(authenticator.CallerOf({{"authorization", "Bearer old"}}).ok());
  now += absl::Hours(24 * 30);
  EXPECT_THAT(std::string(authenticator.CallerOf({{"authorization", "Bearer old"}}).status().message()),
              HasSubstr("expired"));
  authenticator.SetKeys(Keys(absl::StrCat(HashedKey("new"), " shop")));
  EXPECT_THAT(std::string(authenticator.CallerOf({{"authorization", "Bearer old"}}).status().message()),
              HasSubstr("not one of this server's"));
  EXPECT_TRUE(authenticator.CallerOf({{"authorization", "Bearer new"}}).ok());
}

}  // namespace
}  // namespace easel
