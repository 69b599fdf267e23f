#include "client/load/load_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

// Due at `planned`, done `latency` later; 1 s alone, in time within 3.
LoadRecord Record(double planned, double latency, absl::StatusCode code = absl::StatusCode::kOk) {
  LoadRecord record;
  record.planned = record.sent = planned;
  record.ended = planned + latency;
  record.solo = 1;
  record.deadline = 3;
  record.code = code;
  return record;
}

TEST(Percentiles, AreValuesOfTheList) {
  std::vector<double> hundred;
  for (int i = 100; i > 0; --i) hundred.push_back(i);
  const Percentiles of = PercentilesOf(hundred);
  EXPECT_EQ(of.count, 100u);
  EXPECT_EQ(of.p50, 50);
  EXPECT_EQ(of.p95, 95);
  EXPECT_EQ(of.p99, 99);
  EXPECT_EQ(PercentilesOf({4}).p50, 4);
  EXPECT_EQ(PercentilesOf({4}).p99, 4);
  EXPECT_EQ(PercentilesOf({1, 2, 3}).p50, 2);
  EXPECT_EQ(PercentilesOf({}).count, 0u);
}

TEST(Summarize, RatesAreOverTheTimeFromTheFirstDueToTheLastEnd) {
  const LoadReport report =
      Summarize({Record(10, 2), Record(11, 1), Record(12, 8), Record(13, 0, absl::StatusCode::kUnavailable)});
  EXPECT_EQ(report.requests, 4u);
  EXPECT_EQ(report.completed, 3u);
  EXPECT_EQ(report.in_time, 2u);
  EXPECT_EQ(report.seconds, 10);
  EXPECT_DOUBLE_EQ(report.throughput, 0.3);
  EXPECT_DOUBLE_EQ(report.goodput, 0.2);
  EXPECT_EQ(report.attainment, 0.5);
  EXPECT_EQ(report.latency.p50, 2);
  EXPECT_EQ(report.slowdown.p99, 8);
}

// What was refused was not in time, but does not make the served ones look fast.
TEST(Summarize, RefusalsCountAgainstTheSloAndNotAsLatencies) {
  const LoadReport report = Summarize({Record(0, 2), Record(0, 0.001, absl::StatusCode::kResourceExhausted),
                                       Record(0, 0.001, absl::StatusCode::kResourceExhausted),
                                       Record(0, 3, absl::StatusCode::kDeadlineExceeded)});
  EXPECT_EQ(report.attainment, 0.25);
  EXPECT_EQ(report.latency.count, 1u);
  EXPECT_EQ(report.latency.p50, 2);
  EXPECT_EQ(report.errors.at("RESOURCE_EXHAUSTED"), 2u);
  EXPECT_EQ(report.errors.at("DEADLINE_EXCEEDED"), 1u);
}

TEST(Summarize, OfEachCodeTheFirstMessageIsKept) {
  std::vector<LoadRecord> records(3, Record(0, 1, absl::StatusCode::kUnavailable));
  records[2].code = absl::StatusCode::kInternal;
  for (size_t i = 0; i < records.size(); ++i) records[i].message = "message " + std::to_string(i);
  EXPECT_THAT(Summarize(records).error_messages,
              ElementsAre(Pair("INTERNAL", "message 2"), Pair("UNAVAILABLE", "message 0")));
}

// No coordinated omission: a request that the sender sends late has waited.
TEST(Summarize, LatencyCountsFromTheDueTime) {
  LoadRecord late = Record(0, 5);
  late.sent = 4;
  late.first_preview = 4.5;
  const LoadReport report = Summarize({late});
  EXPECT_EQ(report.latency.p50, 5);
  EXPECT_EQ(report.first_preview.p50, 4.5);
  EXPECT_EQ(report.send_delay.p50, 4);
  EXPECT_EQ(report.in_time, 0u);
}

TEST(Summarize, WaitErrorIsRelativeToTheRealWait) {
  const auto waited = [](std::optional<double> estimate, std::optional<double> real) {
    LoadRecord record = Record(0, 1);
    record.estimated_wait = estimate;
    record.waited = real;
    return record;
  };
  const LoadReport report = Summarize(
      {waited(1, 2), waited(3, 2), waited(2, 2), waited(9, 1), waited(1, {}), waited({}, 5), waited(1, 0)});
  EXPECT_EQ(report.wait_estimates, 4u);
  EXPECT_EQ(*report.wait_error, 0.5);
  EXPECT_FALSE(Summarize({waited({}, 5)}).wait_error.has_value());
}

TEST(Summarize, NothingIsNothing) {
  const LoadReport report = Summarize({});
  EXPECT_EQ(report.requests, 0u);
  EXPECT_EQ(report.attainment, 0);
}

TEST(Summarize, TenantsAreToldApartWhereThereAreSeveral) {
  LoadRecord a = Record(0, 1), b = Record(0, 4);
  a.tenant = "a";
  b.tenant = "b";
  const auto tenants = SummarizeTenants({a, b, b});
  EXPECT_EQ(tenants.at("a").attainment, 1);
  EXPECT_EQ(tenants.at("b").requests, 2u);
  EXPECT_EQ(tenants.at("b").attainment, 0);
  EXPECT_TRUE(SummarizeTenants({a, a}).empty());
}

LoadOutcome Outcome() {
  LoadRecord late = Record(0, 4);
  late.sent = 1;
  late.queue_seconds = 0.25;
  late.mean_batch = 2;
  LoadOutcome outcome;
  LoadRecord refused = Record(0, 1, absl::StatusCode::kResourceExhausted);
  refused.message = "the queue is full";
  outcome.all = Summarize({late, refused});
  outcome.solo = {{"4 steps, prompt", 1}};
  outcome.verification = Verification{.compared = 5, .different = 1, .not_compared = 2};
  return outcome;
}

TEST(OutcomeTable, TellsTheFigures) {
  const std::string table = OutcomeTable(Outcome());
  EXPECT_THAT(table, HasSubstr("2, 1 completed, in 4.0 s"));
  EXPECT_THAT(table, HasSubstr("p50 4.000 s"));
  EXPECT_THAT(table, HasSubstr("RESOURCE_EXHAUSTED       1, the first: the queue is full\n"));
  EXPECT_THAT(table, HasSubstr("requests went out late: p50"));
  EXPECT_THAT(table, HasSubstr("5 compared, 1 different, 2 not compared"));
  EXPECT_THAT(table, HasSubstr("1.000 s  4 steps, prompt"));
  EXPECT_THAT(table, Not(HasSubstr("first preview")));
  EXPECT_THAT(table, Not(HasSubstr("interrupted")));
}

TEST(OutcomeJson, IsOneObjectWithTheSameFigures) {
  const auto json = nlohmann::json::parse(OutcomeJson(Outcome()));
  EXPECT_EQ(json["requests"], 2);
  EXPECT_EQ(json["slo_attainment"], 0);
  EXPECT_EQ(json["latency_seconds"]["p99"], 4.0);
  EXPECT_EQ(json["queue_seconds"]["p50"], 0.25);
  EXPECT_EQ(json["send_delay_seconds"]["p99"], 1.0);
  EXPECT_EQ(json["mean_batch"], 2.0);
  EXPECT_EQ(json["errors"]["RESOURCE_EXHAUSTED"], 1);
  EXPECT_EQ(json["error_messages"]["RESOURCE_EXHAUSTED"], "the queue is full");
  EXPECT_EQ(json["verification"]["different"], 1);
  EXPECT_EQ(json["solo_seconds"][0]["kind"], "4 steps, prompt");
  EXPECT_TRUE(json["first_preview_seconds"].is_null());
  EXPECT_TRUE(json["wait_error"].is_null());
  EXPECT_FALSE(json["interrupted"]);
}

}  // namespace
}  // namespace easel
