#include "server/service/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/server/service/hashed_key.h"

namespace easel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);  // 2027-01-15

TEST(ApiKeysTest, AKeyIsItsTenants) {
  const auto keys = ApiKeys::Parse(absl::StrCat("# keys of the shop\n\n", HashedKey("one"), " shop\n  ",
                                                HashedKey("two"), "\tstudio  weight=2.5  # for now\r\n"));
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->size(), 2u);
  EXPECT_EQ(keys->Find("one", kNow)->tenant, "shop");
  EXPECT_EQ(keys->Find("one", kNow)->weight, 1);
  EXPECT_EQ(keys->Find("two", kNow)->tenant, "studio");
  EXPECT_EQ(keys->Find("two", kNow)->weight, 2.5);
}

// As sha256sum prints it: printf %s secret | sha256sum
TEST(ApiKeysTest, TheHashIsSha256sums) {
  const auto keys = ApiKeys::Parse("2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b shop");
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->Find("secret", kNow)->tenant, "shop");
}

TEST(ApiKeysTest, WhatIsNoKeyIsUnauthenticated) {
  const auto keys = ApiKeys::Parse(absl::StrCat(HashedKey("one"), " shop"));
  for (const std::string& key : {std::string(), std::string("One"), std::string("one "), HashedKey("one")}) {
    const absl::Status status = keys->Find(key, kNow).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << key;
    EXPECT_EQ(status.message(), "the API key is not one of this server's");
  }
}

TEST(ApiKeysTest, AKeyExpires) {
  const auto keys = ApiKeys::Parse(absl::StrCat(HashedKey("day"), " a expires=2027-01-16\n",
                                                HashedKey("hour"), " a expires=2027-01-15T09:00:00+01:00\n"));
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_TRUE(keys->Find("day", kNow).ok());
  absl::Time midnight, eight;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, "2027-01-16T00:00:00Z", &midnight, nullptr));
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, "2027-01-15T08:00:00Z", &eight, nullptr));
  EXPECT_TRUE(keys->Find("day", midnight - absl::Seconds(1)).ok());
  const absl::Status status = keys->Find("day", midnight).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(status.message()), HasSubstr("expired at 2027-01-16T00:00:00"));
  EXPECT_TRUE(keys->Find("hour", eight - absl::Seconds(1)).ok());
  EXPECT_FALSE(keys->Find("hour", eight).ok());
}

TEST(ApiKeysTest, AMistakeIsNamedByItsLine) {
  const std::string a = HashedKey("a"), b = HashedKey("b");
  for (const auto& [text, told] : std::vector<std::pair<std::string, std::string>>{
           {"", "no key"},
           {"# nothing but this\n", "no key"},
           {absl::StrCat("#\n\n", a.substr(1), " shop"), "line 3: the first word must be the key's SHA-256"},
           {absl::StrCat(a.substr(1), "x shop"), "line 1: the first word"},
           {a, "line 1: tenant: none given"},
           {absl::StrCat(a, "  -"), "line 1: tenant: none given"},
           {absl::StrCat(a, " s/hop"), "line 1: tenant: 's/hop'"},
           {absl::StrCat(a, " shop weight=0"), "line 1: weight: '0' given; allowed: 0.001 to 1000"},
           {absl::StrCat(a, " shop weight=nan"), "weight: 'nan'"},
           {absl::StrCat(a, " shop weight=1001"), "weight: '1001'"},
           {absl::StrCat(a, " shop expires=tomorrow"), "expires: 'tomorrow'"},
           {absl::StrCat(a, " shop wait=1"), "'wait=1' given; allowed: weight=W and expires=DATE"},
           {absl::StrCat(a, " shop weight=1 weight=1"), "each once"},
           {absl::StrCat(a, " shop\n", a, " other"), "line 2: the key of line 1 again"},
           {absl::StrCat(a, " shop\n", b, " shop weight=2"),
            "line 2: weight 2 for tenant shop, which has weight 1 in line 1"}}) {
    const absl::Status status = ApiKeys::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(told)) << text;
  }
}

TEST(ApiKeysTest, AKeyThatWasNotHashedIsNotTold) {
  const absl::Status status = ApiKeys::Parse("my-secret-key shop").status();
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("my-secret-key")));
}

}  // namespace
}  // namespace easel
