#include "server/engine/tenant_shares.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

TEST(TenantSharesTest, AloneNobodyIsOverItsShare) {
  TenantShares shares;
  shares.Join("a", 1, 0);
  for (int second = 1; second < 100; ++second) shares.Charge("a", 1, second);
  EXPECT_NEAR(shares.Lead("a"), 0, 1e-9);
}

TEST(TenantSharesTest, WhoHasUsedMoreThanItsWeightsPartIsAhead) {
  TenantShares shares;
  shares.Join("a", 1, 0);
  shares.Join("b", 3, 0);
  shares.Charge("a", 2, 0);
  shares.Charge("b", 2, 0);
  EXPECT_NEAR(shares.Lead("a"), 1, 1e-9) << "of 4 s, one is its share";
  EXPECT_NEAR(shares.Lead("b"), -1, 1e-9);
  EXPECT_TRUE(TenantShares::IsOver(shares.Lead("a")));
  EXPECT_FALSE(TenantShares::IsOver(shares.Lead("b")));
}

TEST(TenantSharesTest, WhoFloodedAloneIsOverAtOnceWhenAnotherComes) {
  TenantShares shares;
  shares.Join("a", 1, 0);
  for (int second = 1; second < 100; ++second) shares.Charge("a", 1, second);
  shares.Join("b", 1, 100);
  EXPECT_GT(shares.Lead("a"), 4);
  shares.Leave("b");
  EXPECT_NEAR(shares.Lead("a"), 0, 1e-9) << "and no more once it has gone";
}

TEST(TenantSharesTest, UseFadesSoThatNoLeadIsLong) {
  TenantShares shares;
  shares.Join("a", 1, 0);
  shares.Join("b", 1, 0);
  for (int second = 1; second < 10000; ++second) shares.Charge("a", 1, second);
  EXPECT_LE(shares.Lead("a"), TenantShares::kMemory / 2 + 1);
  shares.Charge("b", 0, 10000 + 10 * TenantShares::kMemory);
  EXPECT_NEAR(shares.Lead("a"), 0, 1e-3);
}

TEST(TenantSharesTest, RemembersABoundedNumberOfThem) {
  TenantShares shares;
  for (int i = 0; i < 10000; ++i) {
    const std::string tenant = std::to_string(i);
    shares.Join(tenant, 1, 0);
    shares.Charge(tenant, 1, 0);
    shares.Leave(tenant);
  }
  EXPECT_LE(shares.size(), TenantShares::kMostIdle);
  shares.Join("a", 1, 1000);
  shares.Leave("a");
  EXPECT_EQ(shares.size(), 0u) << "what has faded is forgotten";
}

}  // namespace
}  // namespace easel
