// The page that Prometheus reads, after a few calls.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/metrics/prometheus_observer.h"
#include "tests/e2e/test_server.h"

namespace easel {
namespace {

TestServer::Options WithMetrics() {
  TestServer::Options options;
  options.app.metrics_listen = Address{"127.0.0.1", 0};
  return options;
}

// One HTTP request, as text.
std::string Get(const std::string& at, const std::string& path, const std::string& method = "GET") {
  const Address address = *Address::Parse(at);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(address.port));
  inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  const std::string request = method + " " + path + " HTTP/1.0\r\n\r\n";
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

// Every series of the page, with its labels.
std::set<std::string> Series(const std::string& page) {
  std::set<std::string> series;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(page.substr(page.find("\n#")), '\n'))) {
    if (!line.empty() && line[0] != '#' && line != "\r") series.insert(line.substr(0, line.rfind(' ')));
  }
  return series;
}

// How many of a metric's series have all of `labels`.
size_t Count(const std::string& page, const std::string& name, const std::vector<std::string>& labels = {}) {
  const std::set<std::string> series = Series(page);
  return std::count_if(series.begin(), series.end(), [&](const std::string& each) {
    return each.substr(0, each.find('{')) == name &&
           std::all_of(labels.begin(), labels.end(),
                       [&](const std::string& label) { return absl::StrContains(each, label); });
  });
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

TEST(MetricsTest, TellsWhenTheCertificateExpiresAndOfReloadsThatFailed) {
  PrometheusObserver metrics("1.0");
  std::string page = metrics.Scrape();
  EXPECT_EQ(Count(page, "easel_certificate_expires_seconds"), 0);  // where there is none
  EXPECT_EQ(Count(page, "easel_reload_failures_total"), 2);        // at 0, for rate()
  metrics.SetCertificate(absl::FromUnixSeconds(5));
  metrics.SetCertificate(absl::FromUnixSeconds(9));  // replaced
  metrics.OnReloadFailed("keys");
  page = metrics.Scrape();
  EXPECT_EQ(Sum(page, "easel_certificate_expires_seconds"), 9);
  EXPECT_EQ(Sum(page, "easel_reload_failures_total", {"file=\"keys\""}), 1);
  EXPECT_EQ(Sum(page, "easel_reload_failures_total", {"file=\"certificate\""}), 0);
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

// What the contract promises, in its words, and where it is on the page. Each is there from the first picture
// on, so that rules and dashboards need not ask whether a series exists.
TEST(MetricsTest, ThePageHasAllThatTheContractNames) {
  const auto server = Serving(WithMetrics());
  v1::GenerateRequest request = Staged(4);
  request.mutable_preview()->set_every_n_steps(2);
  ASSERT_TRUE(Draw(*server, request).ok());
  const std::string page = Get(server->app->metrics_address(), "/metrics");
  const std::string model = "model=\"staged\"", device = "device=\"cpu\"";
  const auto stage = [](const char* name) { return absl::StrCat("stage=\"", name, "\""); };
  struct Promise {
    const char* words;
    std::string metric;
    std::vector<std::string> labels;
  };
  const std::vector<Promise> promises = {
      {"requests by code", "easel_requests_total", {model, "code=\"OK\"", "rpc=\"GenerateStream\""}},
      {"in flight", "easel_requests_in_flight", {"rpc=\"GenerateStream\""}},
      {"queue depth", "easel_queue_depth", {}},
      {"queue wait", "easel_queue_seconds_bucket", {model}},
      {"time to first preview", "easel_first_preview_seconds_bucket", {model}},
      {"time by stage: tokenize", "easel_stage_seconds_bucket", {model, stage("tokenize")}},
      {"time by stage: encode", "easel_stage_seconds_bucket", {model, stage("encode")}},
      {"time by stage: denoise", "easel_stage_seconds_bucket", {model, stage("denoise")}},
      {"time by stage: decode", "easel_stage_seconds_bucket", {model, stage("decode")}},
      {"time by stage: image_encode", "easel_stage_seconds_bucket", {model, stage("image_encode")}},
      {"step seconds by batch size", "easel_step_seconds_bucket", {model, device, "batch=\"1\""}},
      {"batch occupancy", "easel_batch_occupancy_bucket", {model, device}},
      {"rows padded", "easel_forward_rows_padded_total", {model}},
      {"forwards", "easel_forwards_total", {model, device}},
      {"steps done for work later cancelled", "easel_steps_wasted_total", {model}},
      {"deadline misses", "easel_deadline_misses_total", {model}},
      {"deadline refusals", "easel_deadline_refusals_total", {model, "when=\"arrival\""}},
      {"previews sent", "easel_previews_sent_total", {model}},
      {"previews coalesced", "easel_previews_coalesced_total", {model}},
      {"images made", "easel_images_total", {model}},
      {"pixels made", "easel_pixels_total", {model}},
      {"bytes sent", "easel_sent_bytes_total", {}},
      {"model load seconds", "easel_model_load_seconds", {model}},
      {"weights bytes", "easel_model_weights_bytes", {model}},
      {"device memory allocated", "easel_device_memory_allocated_bytes", {device}},
      {"device memory reserved", "easel_device_memory_reserved_bytes", {device}},
      {"tenant share", "easel_tenant_seconds_total", {"tenant=\"\""}},
      {"build info", "easel_build_info", {"version=\"test\""}},
  };
  for (const Promise& promise : promises) {
    EXPECT_GT(Count(page, promise.metric, promise.labels), 0) << promise.words;
  }
  for (const std::string& series : Series(page)) {
    EXPECT_TRUE(absl::StartsWith(series, "easel_")) << series;
  }
}

TEST(MetricsTest, ThePageIsThereToBeReadAndThereIsNoOther) {
  const auto server = Serving(WithMetrics());
  const std::string& at = server->app->metrics_address();
  const std::string page = Get(at, "/metrics");
  EXPECT_THAT(page, testing::StartsWith("HTTP/1.0 200"));
  EXPECT_THAT(page, testing::HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  const std::string head = Get(at, "/metrics", "HEAD");
  EXPECT_THAT(head, testing::StartsWith("HTTP/1.0 200"));
  EXPECT_THAT(head, testing::EndsWith("\r\n\r\n"));
  EXPECT_THAT(Get(at, "/metrics", "POST"), testing::StartsWith("HTTP/1.0 405"));
  for (const char* path : {"/", "/metrics/more", "/../etc/passwd"}) {
    EXPECT_THAT(Get(at, path), testing::StartsWith("HTTP/1.0 40")) << path;
  }
}

TEST(MetricsTest, DevicesTellTheirMemoryEachTimeThePageIsAskedFor) {
  PrometheusObserver metrics("1.0");
  int64_t allocated = 5;
  metrics.SetDevices({"cuda:0", "silent"}, [&](const std::string& device) -> std::optional<MemoryUse> {
    if (device == "silent") return std::nullopt;
    return MemoryUse{.allocated = allocated, .reserved = 2 * allocated};
  });
  EXPECT_EQ(Sum(metrics.Scrape(), "easel_device_memory_allocated_bytes", {"device=\"cuda:0\""}), 5);
  allocated = 7;
  const std::string page = metrics.Scrape();
  EXPECT_EQ(Sum(page, "easel_device_memory_allocated_bytes", {"device=\"cuda:0\""}), 7);
  EXPECT_EQ(Sum(page, "easel_device_memory_reserved_bytes", {"device=\"cuda:0\""}), 14);
  EXPECT_EQ(Count(page, "easel_device_memory_reserved_bytes"), 1);
}

// Whoever calls, and whatever they ask for: after each kind of call has come once, no series is added.
TEST(MetricsTest, ThePageStaysAsLongAsItIsUnderRandomTenantsAndModels) {
  TestServer::Options options = WithMetrics();
  options.app.trust_tenant_header = true;
  const auto server = Serving(std::move(options));
  const auto stub = v1::ImageGeneration::NewStub(server->Channel());
  std::mt19937 random(1);
  const auto name = [&random](size_t most, bool printable) {
    std::string text(1 + random() % most, ' ');
    for (char& c : text) c = static_cast<char>(printable ? 'a' + random() % 26 : 1 + random() % 126);
    return text;
  };
  std::set<std::string> secrets;  // names that are ours, and must not be labels
  const auto call = [&](int kind) {
    v1::GenerateRequest request = Staged(1, random());
    grpc::ClientContext context;
    std::string tenant = name(60, true);
    if (kind == 1) tenant = name(20, true) + " ~!";  // no tenant's name
    if (kind == 2) request.set_model(name(200, false));
    if (kind == 3) request.set_sampler(name(30, false));
    if (kind == 4) request.set_num_inference_steps(0);
    if (kind == 5) request.set_class_label(kNanClass);
    if (kind == 6) request.set_request_id(name(20, true));
    context.AddMetadata("x-easel-tenant", tenant);
    context.AddMetadata("traceparent",
                        absl::StrCat("00-", std::string(32, 'a' + random() % 6), "-00f067aa0ba902b7-01"));
    v1::GenerateResponse response;
    const grpc::Status status = stub->Generate(&context, request, &response);
    EXPECT_EQ(status.ok(), kind == 0 || kind == 6) << kind << status.error_message();
    if (tenant.size() > 5) secrets.insert(tenant);
    if (kind == 2 && request.model().size() > 5) secrets.insert(request.model());
  };
  const auto round = [&](int calls) {
    for (int i = 0; i < calls; ++i) call(i % 7);
    for (const char* id : {"no such", "nor this"}) {
      grpc::ClientContext context;
      v1::GetGenerationRequest get;
      get.set_id(absl::StrCat(id, random()));
      v1::Generation generation;
      EXPECT_FALSE(stub->GetGeneration(&context, get, &generation).ok());
    }
  };
  round(120);  // more tenants than may have a label
  secrets.clear();
  const std::set<std::string> before = Series(Get(server->app->metrics_address(), "/metrics"));
  round(400);
  const std::string page = Get(server->app->metrics_address(), "/metrics");
  EXPECT_EQ(Series(page), before);
  EXPECT_GT(secrets.size(), 200);
  for (const std::string& secret : secrets) EXPECT_FALSE(absl::StrContains(page, secret)) << secret;
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
