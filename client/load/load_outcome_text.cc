// A load's outcome for people and for scripts.
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/load/load_report.h"

namespace easel {
namespace {

using Json = nlohmann::ordered_json;

// An open loop whose requests go out later than this did not keep its rate.
constexpr double kLate = 0.02;

void AppendPercentiles(std::string& text, const std::string& name, const Percentiles& values,
                       const std::string& unit) {
  if (values.count == 0) return;
  absl::StrAppendFormat(&text, "%-24s p50 %.3f%s  p95 %.3f%s  p99 %.3f%s\n", name, values.p50, unit,
                        values.p95, unit, values.p99, unit);
}

void AppendReport(std::string& text, const LoadReport& report) {
  absl::StrAppendFormat(&text, "%-24s %d, %d completed, in %.1f s\n", "requests", report.requests,
                        report.completed, report.seconds);
  absl::StrAppendFormat(&text, "%-24s %.3f/s\n", "throughput", report.throughput);
  absl::StrAppendFormat(&text, "%-24s %.3f/s\n", "goodput", report.goodput);
  absl::StrAppendFormat(&text, "%-24s %.1f %% (%d in time)\n", "SLO attainment", 100 * report.attainment,
                        report.in_time);
  AppendPercentiles(text, "latency", report.latency, " s");
  AppendPercentiles(text, "slowdown", report.slowdown, "x");
  AppendPercentiles(text, "time to first preview", report.first_preview, " s");
  AppendPercentiles(text, "queue wait", report.queue, " s");
  if (report.wait_error.has_value()) {
    absl::StrAppendFormat(&text, "%-24s %.1f %% off (median of %d)\n", "estimated wait",
                          100 * *report.wait_error, report.wait_estimates);
  }
  absl::StrAppendFormat(&text, "%-24s %.2f\n", "mean batch", report.mean_batch);
  for (const auto& [code, count] : report.errors) {
    absl::StrAppendFormat(&text, "%-24s %d, the first: %s\n", code, count, report.error_messages.at(code));
  }
  if (report.send_delay.p99 > kLate) {
    absl::StrAppendFormat(&text, "%-24s requests went out late: p50 %.3f s, p99 %.3f s\n", "fell behind",
                          report.send_delay.p50, report.send_delay.p99);
  }
}

Json ToJson(const Percentiles& values) {
  if (values.count == 0) return nullptr;
  return {{"p50", values.p50}, {"p95", values.p95}, {"p99", values.p99}, {"count", values.count}};
}

Json ToJson(const LoadReport& report) {
  Json json = {{"requests", report.requests},
               {"completed", report.completed},
               {"in_time", report.in_time},
               {"seconds", report.seconds},
               {"throughput", report.throughput},
               {"goodput", report.goodput},
               {"slo_attainment", report.attainment},
               {"latency_seconds", ToJson(report.latency)},
               {"slowdown", ToJson(report.slowdown)},
               {"first_preview_seconds", ToJson(report.first_preview)},
               {"queue_seconds", ToJson(report.queue)},
               {"send_delay_seconds", ToJson(report.send_delay)},
               {"wait_estimates", report.wait_estimates},
               {"mean_batch", report.mean_batch},
               {"errors", report.errors},
               {"error_messages", report.error_messages}};
  json["wait_error"] = report.wait_error.has_value() ? Json(*report.wait_error) : Json(nullptr);
  return json;
}

}  // namespace

std::string OutcomeTable(const LoadOutcome& outcome) {
  std::string text;
  AppendReport(text, outcome.all);
  for (const auto& [tenant, report] : outcome.tenants) {
    absl::StrAppend(&text, "\ntenant ", tenant.empty() ? "(none)" : tenant, "\n");
    AppendReport(text, report);
  }
  text += "\nlatency alone\n";
  for (const SoloTime& solo : outcome.solo)
    absl::StrAppendFormat(&text, "  %.3f s  %s\n", solo.seconds, solo.kind);
  if (outcome.verification.has_value()) {
    const Verification& found = *outcome.verification;
    absl::StrAppendFormat(&text, "\n%-24s %d compared, %d different, %d not compared\n", "verification",
                          found.compared, found.different, found.not_compared);
  }
  if (outcome.interrupted) text += "\ninterrupted: the figures are of what had ended by then\n";
  return text;
}

std::string OutcomeJson(const LoadOutcome& outcome) {
  Json json = ToJson(outcome.all);
  json["tenants"] = Json::object();
  for (const auto& [tenant, report] : outcome.tenants) json["tenants"][tenant] = ToJson(report);
  json["solo_seconds"] = Json::array();
  for (const SoloTime& solo : outcome.solo) {
    json["solo_seconds"].push_back({{"kind", solo.kind}, {"seconds", solo.seconds}});
  }
  json["verification"] = nullptr;
  if (outcome.verification.has_value()) {
    json["verification"] = {{"compared", outcome.verification->compared},
                            {"different", outcome.verification->different},
                            {"not_compared", outcome.verification->not_compared}};
  }
  json["interrupted"] = outcome.interrupted;
  return json.dump();
}

}  // namespace easel
