#include "server/engine/memory_model.h"

#include <gtest/gtest.h>

namespace easel {
namespace {

constexpr ForwardShape kShape = {0, 4, 8, 8, 77}, kFourTimes = {0, 4, 16, 16, 77},
                       kOtherModel = {1, 4, 8, 8, 77};

TEST(MemoryModelTest, NothingIsKnownBeforeAMeasurement) {
  const MemoryModel model;
  EXPECT_FALSE(model.ForwardBytes(kShape, 1).has_value());
  EXPECT_FALSE(model.DecodeBytes(kShape).has_value());
  EXPECT_EQ(model.RowsWithin(kShape, 1, 16), 16);
}

TEST(MemoryModelTest, RowsBetweenAndBeyondTheMeasuredAreOnTheLine) {
  MemoryModel model;
  model.OnForward(kShape, 2, 200);
  EXPECT_EQ(model.ForwardBytes(kShape, 1), 200) << "no less, with one measurement";
  EXPECT_EQ(model.ForwardBytes(kShape, 4), 400);
  model.OnForward(kShape, 4, 300);
  EXPECT_EQ(model.ForwardBytes(kShape, 2), 200);
  EXPECT_EQ(model.ForwardBytes(kShape, 3), 250);
  EXPECT_EQ(model.ForwardBytes(kShape, 8), 500);
  EXPECT_EQ(model.ForwardBytes(kShape, 1), 200);
  EXPECT_TRUE(model.KnowsForward(kShape, 4));
  EXPECT_FALSE(model.KnowsForward(kShape, 3));
}

TEST(MemoryModelTest, AnUnknownShapeIsScaledByPixelsWithinItsModel) {
  MemoryModel model;
  model.OnForward(kShape, 1, 100);
  model.OnDecode(kShape, 30);
  EXPECT_EQ(model.ForwardBytes(kFourTimes, 2), 800);
  EXPECT_EQ(model.DecodeBytes(kFourTimes), 120);
  EXPECT_FALSE(model.ForwardBytes(kOtherModel, 1).has_value());
  model.OnForward(kFourTimes, 1, 1000);
  EXPECT_EQ(model.ForwardBytes({0, 4, 16, 8, 77}, 1), 200) << "from the nearer one";
  EXPECT_EQ(model.ForwardBytes({0, 4, 16, 16, 0}, 1), 1000) << "whatever its text";
}

TEST(MemoryModelTest, TheMostRowsThatFit) {
  MemoryModel model;
  model.OnForward(kShape, 1, 100);
  EXPECT_EQ(model.RowsWithin(kShape, 399, 16), 3);
  EXPECT_EQ(model.RowsWithin(kShape, 400, 16), 4);
  EXPECT_EQ(model.RowsWithin(kShape, 1 << 20, 16), 16);
  EXPECT_EQ(model.RowsWithin(kShape, 50, 16), 1) << "one may be tried";
}

TEST(MemoryModelTest, RemembersABoundedNumberOfShapes) {
  MemoryModel model;
  for (int64_t i = 1; i <= 2 * static_cast<int64_t>(MemoryModel::kMostShapes); ++i) {
    model.OnForward({0, 4, 1, i, 0}, 1, i);
    model.OnDecode({0, 4, 1, i, 0}, i);
  }
  EXPECT_EQ(model.ForwardBytes({0, 4, 1, 300, 0}, 1), 300)
      << "by the scale, for it is past the last one kept";
  EXPECT_TRUE(model.KnowsForward({0, 4, 1, 300, 0}, 7)) << "there is nothing to measure it for";
}

}  // namespace
}  // namespace easel
