#include "server/engine/row_caps.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

constexpr ForwardShape kSmall = {0, 4, 8, 8, 77}, kLarge = {0, 4, 64, 64, 77};

TEST(RowCapsTest, AFailureHalvesTheCapOfItsShapeAlone) {
  RowCaps caps;
  EXPECT_EQ(caps.Cap(kLarge, 16), 16);
  caps.OnOutOfMemory(kLarge, 12);
  EXPECT_EQ(caps.Cap(kLarge, 16), 6);
  EXPECT_EQ(caps.Cap(kSmall, 16), 16);
  EXPECT_EQ(caps.Cap(kLarge, 2), 2) << "never more than the most";
  caps.OnOutOfMemory(kLarge, 1);
  EXPECT_EQ(caps.Cap(kLarge, 16), 1) << "one row may always be tried";
}

TEST(RowCapsTest, WhatFittedOfThePartsIsTheCap) {
  RowCaps caps;
  caps.OnOutOfMemory(kLarge, 6);  // three guided pictures: parts of four rows and of two
  EXPECT_EQ(caps.Cap(kLarge, 16), 3);
  caps.OnFitted(kLarge, 4);
  EXPECT_EQ(caps.Cap(kLarge, 16), 4);
  caps.OnFitted(kLarge, 2);
  EXPECT_EQ(caps.Cap(kLarge, 16), 4);
}

TEST(RowCapsTest, RisesByOneRowAfterManyForwardsWithoutAFailure) {
  RowCaps caps;
  caps.OnOutOfMemory(kLarge, 8);
  for (int i = 1; i < RowCaps::kForwardsToRaise; ++i) caps.OnFitted(kLarge, 4);
  EXPECT_EQ(caps.Cap(kLarge, 16), 4);
  caps.OnFitted(kLarge, 4);
  EXPECT_EQ(caps.Cap(kLarge, 16), 5);
  caps.OnOutOfMemory(kLarge, 5);
  caps.OnFitted(kLarge, 4);
  EXPECT_EQ(caps.Cap(kLarge, 16), 4) << "and the count begins anew";
}

}  // namespace
}  // namespace easel
