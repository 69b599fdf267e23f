#include "client/load/load_report.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace easel {
namespace {

double NearestRank(const std::vector<double>& sorted, double percent) {
  const auto rank = static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

}  // namespace

Percentiles PercentilesOf(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {.count = values.size(),
          .p50 = NearestRank(values, 50),
          .p95 = NearestRank(values, 95),
          .p99 = NearestRank(values, 99)};
}

LoadReport Summarize(const std::vector<LoadRecord>& records) {
  LoadReport report;
  report.requests = records.size();
  if (records.empty()) return report;
  std::vector<double> latencies, slowdowns, previews, queues, delays, wait_errors;
  double first = records.front().planned, last = records.front().ended, batches = 0;
  for (const LoadRecord& record : records) {
    first = std::min(first, record.planned);
    last = std::max(last, record.ended);
    delays.push_back(record.sent - record.planned);
    if (record.first_preview.has_value()) previews.push_back(*record.first_preview - record.planned);
    if (record.estimated_wait.has_value() && record.waited.value_or(0) > 0) {
      wait_errors.push_back(std::abs(*record.estimated_wait - *record.waited) / *record.waited);
    }
    if (record.code != absl::StatusCode::kOk) {
      const std::string code = absl::StatusCodeToString(record.code);
      ++report.errors[code];
      report.error_messages.try_emplace(code, record.message);
      continue;
    }
    ++report.completed;
    const double latency = record.ended - record.planned;
    if (latency <= record.deadline) ++report.in_time;
    latencies.push_back(latency);
    if (record.solo > 0) slowdowns.push_back(latency / record.solo);
    queues.push_back(record.queue_seconds);
    batches += record.mean_batch;
  }
  report.seconds = last - first;
  if (report.seconds > 0) {
    report.throughput = static_cast<double>(report.completed) / report.seconds;
    report.goodput = static_cast<double>(report.in_time) / report.seconds;
  }
  report.attainment = static_cast<double>(report.in_time) / static_cast<double>(report.requests);
  report.latency = PercentilesOf(std::move(latencies));
  report.slowdown = PercentilesOf(std::move(slowdowns));
  report.first_preview = PercentilesOf(std::move(previews));
  report.queue = PercentilesOf(std::move(queues));
  report.send_delay = PercentilesOf(std::move(delays));
  report.wait_estimates = wait_errors.size();
  if (!wait_errors.empty()) report.wait_error = PercentilesOf(std::move(wait_errors)).p50;
  if (report.completed > 0) report.mean_batch = batches / static_cast<double>(report.completed);
  return report;
}

std::map<std::string, LoadReport> SummarizeTenants(const std::vector<LoadRecord>& records) {
  std::map<std::string, std::vector<LoadRecord>> by_tenant;
  for (const LoadRecord& record : records) by_tenant[record.tenant].push_back(record);
  std::map<std::string, LoadReport> reports;
  if (by_tenant.size() < 2) return reports;
  for (const auto& [tenant, own] : by_tenant) reports[tenant] = Summarize(own);
  return reports;
}

}  // namespace easel
