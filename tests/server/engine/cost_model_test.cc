#include "server/engine/cost_model.h"

#include <gtest/gtest.h>

#include <fstream>

#include "server/engine/model_costs.h"

namespace easel {
namespace {

constexpr ForwardShape kShape = {0, 4, 8, 8, 16};

ModelCosts Costs() {
  ModelCosts costs;
  costs.model = "small";
  costs.device = "cpu";
  costs.width = costs.height = 64;
  costs.encode_seconds = 0.5;
  costs.decode_seconds = 2;
  costs.decode_bytes = 3000;
  costs.forwards = {{kShape, 1, 1, 1000}, {kShape, 2, 1.5}, {kShape, 4, 3}};
  return costs;
}

JobWork Work(int rows, int evaluations) {
  JobWork work;
  work.model = 3;
  work.width = work.height = 64;
  work.rows = rows;
  work.evaluations = evaluations;
  return work;
}

TEST(CostModelTest, NothingIsPredictedOfWhatWasNotMeasured) {
  CostModel costs(16);
  costs.Learn(3, Costs());
  JobWork large = Work(1, 10);
  large.width = 128;
  EXPECT_EQ(costs.Predict(large).seconds, std::nullopt);
  EXPECT_EQ(costs.Predict(large).least, 0) << "and so nothing is refused";
  EXPECT_NE(costs.Predict(large).shape, costs.Predict(Work(1, 10)).shape);
}

TEST(CostModelTest, AJobCostsItsForwardsItsEncodingAndItsDecoding) {
  CostModel costs(16);
  costs.Learn(3, Costs());
  const JobCost cost = costs.Predict(Work(2, 10));
  EXPECT_EQ(cost.shape, (ForwardShape{3, 4, 8, 8, 16})) << "with the model's index here";
  EXPECT_EQ(cost.row_cap, 2) << "the knee";
  EXPECT_EQ(cost.seconds, 10 * 1.5 + 0.5 + 2);
  EXPECT_EQ(cost.least, 10 * 1.5 + 2) << "the condition may be in the cache";
  EXPECT_EQ(costs.Predict(Work(1, 10)).least_shared, 10 * 0.75 + 2) << "half of a forward of two rows";
  JobWork begun = Work(2, 4);
  begun.encoded = true;
  begun.shape = cost.shape;
  EXPECT_EQ(costs.Predict(begun).seconds, 4 * 1.5 + 2);
}

TEST(CostModelTest, PredictionsFollowWhatIsMeasured) {
  CostModel costs(16);
  costs.Learn(3, Costs());
  for (int i = 0; i < 200; ++i) {
    costs.ObserveForward({3, 4, 8, 8, 16}, 1, 2);
    costs.ObserveDecode(3, 128, 128, 4);  // a quarter of it for a quarter of the pixels
    costs.ObserveEncode(3, 0);
  }
  EXPECT_NEAR(*costs.Predict(Work(1, 10)).seconds, 10 * 2 + 1, 1e-6);
}

TEST(ModelCostsTest, WhatIsWrittenIsRead) {
  const std::string path = testing::TempDir() + "/model_costs.json";
  ASSERT_TRUE(WriteModelCosts(path, {Costs(), Costs()}).ok());
  const auto read = ReadModelCosts(path);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), 2u);
  const ModelCosts& costs = read->front();
  EXPECT_EQ(costs.model, "small");
  EXPECT_EQ(costs.device, "cpu");
  EXPECT_EQ(costs.width, 64);
  EXPECT_EQ(costs.encode_seconds, 0.5);
  EXPECT_EQ(costs.decode_seconds, 2);
  ASSERT_EQ(costs.forwards.size(), 3u);
  EXPECT_EQ(costs.forwards[1].shape, kShape);
  EXPECT_EQ(costs.forwards[1].rows, 2);
  EXPECT_EQ(costs.forwards[1].seconds, 1.5);
  EXPECT_EQ(costs.forwards[0].bytes, 1000);
  EXPECT_EQ(costs.decode_bytes, 3000);
}

TEST(ModelCostsTest, FilesOfBeforeMemoryWasMeasuredAreRead) {
  const std::string path = testing::TempDir() + "/old_costs.json";
  std::ofstream(path) << R"({"models": {"0": {"model": "a", "device": "cpu", "width": 8, "height": 8,
      "encode_seconds": 0, "decode_seconds": 0, "forwards": [[4, 8, 8, 16, 1, 0.5]]}}})";
  const auto read = ReadModelCosts(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->front().forwards[0].seconds, 0.5);
  EXPECT_EQ(read->front().forwards[0].bytes, 0);
  EXPECT_EQ(read->front().decode_bytes, 0);
}

TEST(ModelCostsTest, AWrongFileIsNamedWithItsKey) {
  const std::string path = testing::TempDir() + "/wrong_costs.json";
  std::ofstream(path) << R"({"models": {"0": {"model": "a", "device": "cpu", "width": 8, "height": 8,
      "encode_seconds": 0, "decode_seconds": 0, "forwards": [[4, 8, 8, 16, 0, 1]]}}})";
  const std::string message(ReadModelCosts(path).status().message());
  EXPECT_NE(message.find("wrong_costs.json"), std::string::npos) << message;
  EXPECT_NE(message.find("forwards"), std::string::npos) << message;
  EXPECT_EQ(ReadModelCosts(testing::TempDir() + "/no_costs.json").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace easel
