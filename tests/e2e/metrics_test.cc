// The page that Prometheus reads, after a few calls.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/metrics/prometheus_observer.h"
#include "tests/e2e/test_server.h"

namespace easel {
namespace {

TestServer::Options WithMetrics() {
  TestServer::Options options;
  options.app.metrics_listen = Address{"127.0.0.1", 0};
  return options;
}

// One HTTP GET, as text.
std::string Get(const std::string& at, const std::string& path) {
  const Address address = *Address::Parse(at);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(address.port));
  inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string page;
  char bytes[4096];
  for (ssize_t n; (n = read(fd, bytes, sizeof(bytes))) > 0;) page.append(bytes, static_cast<size_t>(n));
  close(fd);
  return page;
}

// Sum of a metric's series whose labels contain all of `labels`.
double Sum(const std::string& page, const std::string& name, const std::vector<std::string>& labels = {}) {
  std::istringstream lines(page);
  double sum = 0;
  for (std::string line; std::getline(lines, line);) {
    const size_t end = line.find_first_of("{ ");
    if (line.substr(0, end) != name) continue;
    bool wanted = true;
    for (const std::string& label : labels) wanted &= absl::StrContains(line, label);
    double value = 0;
    if (wanted && absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) sum += value;
  }
  return sum;
}

TEST(MetricsTest, TellsOfDeadlinesWaitsAndModels) {
  PrometheusObserver metrics("1.0");
  metrics.SetModel("m", /*load_seconds=*/1, /*weight_bytes=*/2);
  metrics.OnDeadlineRefused("m");
  metrics.OnHopeless("m");
  metrics.OnHopeless("m");
  metrics.OnWaitForetold("m", /*foretold_seconds=*/3, /*queue_seconds=*/2.5);
  std::string page = metrics.Scrape();
  EXPECT_EQ(Sum(page, "easel_deadline_refusals_total", {"arrival"}), 1);
  EXPECT_EQ(Sum(page, "easel_deadline_refusals_total", {"later"}), 2);
  EXPECT_EQ(Sum(page, "easel_wait_error_seconds_sum"), 0.5);
  EXPECT_EQ(Sum(page, "easel_model_up"), 1);
  metrics.OnModelDown("m");
  EXPECT_EQ(Sum(metrics.Scrape(), "easel_model_up"), 0);
}

TEST(MetricsTest, TenantsLabelsAreBounded) {
  PrometheusObserver metrics("1.0");
  for (int i = 0; i < 1000; ++i) metrics.OnTenantServed(absl::StrCat("tenant-", i), 0.5);
  const std::string page = metrics.Scrape();
  EXPECT_EQ(Sum(page, "easel_tenant_seconds_total"), 500);
  EXPECT_EQ(Sum(page, "easel_tenant_seconds_total", {"tenant-0"}), 0.5);
  EXPECT_EQ(Sum(page, "easel_tenant_seconds_total", {"others"}), (1000 - 32) * 0.5);
}

TEST(MetricsTest, CountsWhatHappened) {
  const auto server = Serving(WithMetrics());
  v1::GenerateRequest two = Staged(4);
  two.set_num_images(2);
  two.set_guidance_scale(2);
  two.mutable_preview()->set_every_n_steps(2);
  ASSERT_TRUE(Draw(*server, two).ok());
  ASSERT_TRUE(Draw(*server, Staged(3)).ok());
  ASSERT_FALSE(Draw(*server, Staged(0)).ok());
  ASSERT_TRUE(server->Client()->ListModels().ok());
  v1::GenerateRequest nowhere;
  nowhere.set_model("nowhere");
  ASSERT_FALSE(Draw(*server, nowhere).ok());

  const std::string page = Get(server->app->metrics_address(), "/metrics");
  EXPECT_EQ(Sum(page, "easel_requests_total", {"rpc=\"GenerateStream\"", "code=\"OK\"", "model=\"staged\""}),
            2);
  EXPECT_EQ(Sum(page, "easel_requests_total", {"code=\"INVALID_ARGUMENT\""}), 1);
  EXPECT_EQ(Sum(page, "easel_requests_total", {"code=\"NOT_FOUND\"", "model=\"\""}), 1);
  EXPECT_EQ(Sum(page, "easel_requests_total", {"rpc=\"ListModels\""}), 1);
  EXPECT_EQ(Sum(page, "easel_request_seconds_count", {"rpc=\"GenerateStream\""}), 4);
  EXPECT_EQ(Sum(page, "easel_requests_in_flight"), 0);
  EXPECT_EQ(Sum(page, "easel_queue_depth"), 0);
  EXPECT_EQ(Sum(page, "easel_pictures_admitted_total"), 3);
  EXPECT_EQ(Sum(page, "easel_images_total", {"model=\"staged\""}), 3);
  EXPECT_EQ(Sum(page, "easel_pixels_total"), 3 * kStagedSize * kStagedSize);
  EXPECT_EQ(Sum(page, "easel_queue_seconds_count"), 3);
  int forwards = 0, rows = 0;
  for (const std::string& act : server->gate->acts()) {
    if (!absl::StartsWith(act, "forward ")) continue;
    ++forwards;
    rows += std::stoi(act.substr(8));
  }
  EXPECT_EQ(Sum(page, "easel_forward_rows_total"), rows);
  EXPECT_EQ(Sum(page, "easel_forwards_total"), Sum(page, "easel_step_seconds_count"));
  EXPECT_EQ(Sum(page, "easel_batch_occupancy_count"), Sum(page, "easel_forwards_total"));
  EXPECT_EQ(rows, 2 * 4 * 2 + 3);
  EXPECT_EQ(Sum(page, "easel_stage_seconds_count", {"stage=\"image_encode\""}), 3);
  EXPECT_EQ(Sum(page, "easel_stage_seconds_count", {"stage=\"decode\""}), 3);
  EXPECT_EQ(Sum(page, "easel_previews_made_total"), 2);
  EXPECT_EQ(Sum(page, "easel_previews_sent_total") + Sum(page, "easel_previews_coalesced_total"), 2);
  EXPECT_EQ(Sum(page, "easel_first_preview_seconds_count"), 2);
  EXPECT_GT(Sum(page, "easel_sent_bytes_total"), 3 * 100);
  EXPECT_EQ(Sum(page, "easel_model_load_seconds"), 0.75);
  EXPECT_EQ(Sum(page, "easel_build_info", {"version=\"test\""}), 1);
}

TEST(MetricsTest, CountsTheCallsOfDetachedGenerations) {
  const auto server = Serving(WithMetrics());
  const auto stub = v1::ImageGeneration::NewStub(server->Channel());
  v1::Generation generation;
  grpc::ClientContext submit, get, watch, cancel;
  ASSERT_TRUE(stub->SubmitGeneration(&submit, Staged(3), &generation).ok());
  v1::WatchGenerationRequest watched;
  watched.set_id(generation.id());
  const auto reader = stub->WatchGeneration(&watch, watched);
  for (v1::GenerationEvent event; reader->Read(&event);) {
  }
  ASSERT_TRUE(reader->Finish().ok());
  v1::GetGenerationRequest got;
  got.set_id(generation.id());
  ASSERT_TRUE(stub->GetGeneration(&get, got, &generation).ok());
  v1::CancelGenerationRequest cancelled;
  cancelled.set_id("no such");
  ASSERT_FALSE(stub->CancelGeneration(&cancel, cancelled, &generation).ok());

  const std::string page = Get(server->app->metrics_address(), "/metrics");
  for (const char* rpc : {"SubmitGeneration", "WatchGeneration", "GetGeneration"}) {
    const std::string label = absl::StrCat("rpc=\"", rpc, "\"");
    EXPECT_EQ(Sum(page, "easel_requests_total", {label, "code=\"OK\"", "model=\"staged\""}), 1) << rpc;
  }
  EXPECT_EQ(Sum(page, "easel_requests_total", {"rpc=\"CancelGeneration\"", "code=\"NOT_FOUND\""}), 1);
  EXPECT_EQ(Sum(page, "easel_requests_in_flight"), 0);
  EXPECT_EQ(Sum(page, "easel_images_total"), 1);
}

TEST(MetricsTest, CountsWorkThatWasForNothing) {
  const auto server = Serving(WithMetrics());
  v1::GenerateRequest request = Staged(5);
  request.set_class_label(kNanClass);
  ASSERT_FALSE(Draw(*server, request).ok());
  ASSERT_TRUE(Draw(*server, Staged(2)).ok());
  const std::string page = Get(server->app->metrics_address(), "/metrics");
  EXPECT_EQ(Sum(page, "easel_pictures_ended_total", {"code=\"OK\""}), 1);
  EXPECT_EQ(Sum(page, "easel_pictures_ended_total", {"code=\"INTERNAL\""}), 1);
  EXPECT_EQ(Sum(page, "easel_steps_total") - Sum(page, "easel_steps_wasted_total"), 2);
  EXPECT_GT(Sum(page, "easel_steps_wasted_total"), 0);
}

}  // namespace
}  // namespace easel
