#include "client/image_client.h"

#include <grpcpp/create_channel.h>

#include <optional>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel_credentials.h"
#include "client/grpc_status.h"
#include "client/repeatable_request.h"
#include "client/response_gatherer.h"
#include "client/retry_policy.h"
#include "client/running_calls.h"
#include "easel/v1/image_generation.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace easel {
namespace {

using Images = v1::ImageGeneration::Stub;

// A server that comes back is found again soon.
constexpr int kFirstReconnectMilliseconds = 100;
constexpr int kLastReconnectMilliseconds = 2000;

uint64_t Random() {
  std::random_device source;
  return (uint64_t{source()} << 32) | source();
}

// In [0, 1).
double Chance() { return static_cast<double>(Random() >> 11) * 0x1p-53; }

// In turn to those that serve: one that drains gets no more calls.
constexpr char kInTurn[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": "easel.v1.ImageGeneration"}
})";

// Whether the target can stand for several servers.
bool NamesSeveral(const std::string& target) {
  return absl::StartsWith(target, "dns:") || absl::StartsWith(target, "ipv4:") ||
         absl::StartsWith(target, "ipv6:");
}

grpc::ChannelArguments ChannelArguments(const ImageClient::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);  // Get brings all pictures in one message
  if (NamesSeveral(options.server)) arguments.SetServiceConfigJSON(kInTurn);
  if (!options.tls_server_name.empty()) arguments.SetSslTargetNameOverride(options.tls_server_name);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMilliseconds);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMilliseconds);
  return arguments;
}

}  // namespace

// What calls need. Thread-safe; constant but for what gRPC and `calls` guard themselves.
struct ImageClient::Parts {
  Parts(const Options& given, std::shared_ptr<grpc::Channel> made)
      : options(given),
        channel(std::move(made)),
        images(v1::ImageGeneration::NewStub(channel)),
        health(::grpc::health::v1::Health::NewStub(channel)) {}

  // `tenant`: empty for that of the options.
  std::shared_ptr<Attempt> NewAttempt(absl::Time deadline, const std::string& tenant = "") const {
    auto attempt = Attempt::Of(calls);
    grpc::ClientContext& context = attempt->context();
    if (deadline < absl::InfiniteFuture()) context.set_deadline(absl::ToChronoTime(deadline));
    if (!options.api_key.empty())
      context.AddMetadata("authorization", absl::StrCat("Bearer ", options.api_key));
    if (const std::string& name = tenant.empty() ? options.tenant : tenant; !name.empty()) {
      context.AddMetadata("x-easel-tenant", name);
    }
    return attempt;
  }

  absl::Status Status(const grpc::Status& status) const { return ToStatus(status, *channel, options); }

  // Runs `once` until it is done, or not to be tried again.
  template <typename Result, typename Once>
  absl::StatusOr<Result> Repeat(absl::Duration timeout, const Once& once) const {
    const absl::Time deadline = absl::Now() + timeout;
    RetryPolicy policy(options.retries, deadline);
    while (true) {
      absl::StatusOr<Result> result = once(NewAttempt(deadline)->context());
      if (result.ok()) return result;
      const auto delay = policy.After(result.status(), absl::Now(), Chance());
      if (!delay.has_value()) return result;
      calls->Wait(*delay);
    }
  }

  // A unary call.
  template <typename Request, typename Response>
  absl::StatusOr<Response> Ask(grpc::Status (Images::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                               const Request& request, absl::Duration timeout) const {
    return Repeat<Response>(timeout, [&](grpc::ClientContext& context) -> absl::StatusOr<Response> {
      Response response;
      const grpc::Status status = ((*images).*method)(&context, request, &response);
      if (!status.ok()) return Status(status);
      return response;
    });
  }

  // A call that streams events.
  template <typename Request>
  absl::StatusOr<v1::GenerateResponse> Read(std::unique_ptr<grpc::ClientReader<v1::GenerationEvent>> (
                                                Images::*method)(grpc::ClientContext*, const Request&),
                                            const Request& request, const OnEvent& on_event,
                                            absl::Duration timeout) const {
    ResponseGatherer gatherer;
    return Repeat<v1::GenerateResponse>(timeout, [&](grpc::ClientContext& context) {
      gatherer.Restart();
      const auto reader = ((*images).*method)(&context, request);
      for (v1::GenerationEvent event; reader->Read(&event);) gatherer.Take(event, on_event);
      return gatherer.Finish(Status(reader->Finish()));
    });
  }

  const Options options;
  const std::shared_ptr<grpc::Channel> channel;
  const std::unique_ptr<Images> images;
  const std::unique_ptr<::grpc::health::v1::Health::Stub> health;
  const std::shared_ptr<RunningCalls> calls = std::make_shared<RunningCalls>();
};

// A GenerateStream that nobody waits for. Owns itself until its end.
class ImageClient::StreamCall final : public grpc::ClientReadReactor<v1::GenerationEvent> {
 public:
  StreamCall(const Parts& parts, v1::GenerateRequest request, absl::Duration timeout,
             const std::string& tenant, OnEvent on_event, OnEnd on_end)
      : parts_(parts),
        request_(std::move(request)),
        tenant_(tenant),
        on_event_(std::move(on_event)),
        on_end_(std::move(on_end)),
        deadline_(absl::Now() + timeout),
        policy_(parts.options.retries, deadline_),
        attempt_(parts.NewAttempt(deadline_, tenant_)) {}

  void Send() {
    gatherer_.Restart();
    parts_.images->async()->GenerateStream(&attempt_->context(), &request_, this);
    StartRead(&event_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;  // OnDone follows
    gatherer_.Take(event_, on_event_);
    StartRead(&event_);
  }

  void OnDone(const grpc::Status& status) override {
    absl::StatusOr<v1::GenerateResponse> result = gatherer_.Finish(parts_.Status(status));
    const auto delay = result.ok() ? std::nullopt : policy_.After(result.status(), absl::Now(), Chance());
    if (delay.has_value()) {
      const auto next = parts_.NewAttempt(deadline_, tenant_);
      attempt_ = next;
      next->After(*delay, [this] { Send(); });  // this may be gone when it returns
      return;
    }
    const OnEnd on_end = std::move(on_end_);
    delete this;  // first: the client may go as soon as on_end was called
    on_end(std::move(result));
  }

 private:
  const Parts& parts_;
  const v1::GenerateRequest request_;
  const std::string tenant_;
  const OnEvent on_event_;
  OnEnd on_end_;
  const absl::Time deadline_;
  RetryPolicy policy_;
  std::shared_ptr<Attempt> attempt_;
  v1::GenerationEvent event_;
  ResponseGatherer gatherer_;
};

absl::StatusOr<std::unique_ptr<ImageClient>> ImageClient::Create(const Options& options) {
  const auto credentials = MakeChannelCredentials({options.tls_ca, options.tls_cert, options.tls_key});
  if (!credentials.ok()) return credentials.status();
  auto channel = grpc::CreateCustomChannel(options.server, *credentials, ChannelArguments(options));
  return std::unique_ptr<ImageClient>(new ImageClient(std::make_unique<Parts>(options, std::move(channel))));
}

ImageClient::ImageClient(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

ImageClient::~ImageClient() = default;

absl::StatusOr<v1::GenerateResponse> ImageClient::Generate(const v1::GenerateRequest& request,
                                                           const OnEvent& on_event, absl::Duration timeout) {
  return parts_->Read(&Images::GenerateStream, Repeatable(request, Random), on_event, timeout);
}

void ImageClient::StartGenerate(const v1::GenerateRequest& request, absl::Duration timeout,
                                const std::string& tenant, OnEvent on_event, OnEnd on_end) {
  (new StreamCall(*parts_, Repeatable(request, Random), timeout, tenant, std::move(on_event),
                  std::move(on_end)))
      ->Send();
}

absl::StatusOr<v1::GenerateResponse> ImageClient::Watch(const std::string& id, const OnEvent& on_event,
                                                        absl::Duration timeout) {
  v1::WatchGenerationRequest request;
  request.set_id(id);
  return parts_->Read(&Images::WatchGeneration, request, on_event, timeout);
}

absl::StatusOr<v1::Generation> ImageClient::Submit(const v1::GenerateRequest& request,
                                                   absl::Duration timeout) {
  return parts_->Ask(&Images::SubmitGeneration, Repeatable(request, Random), timeout);
}

absl::StatusOr<v1::Generation> ImageClient::Get(const std::string& id, absl::Duration timeout) {
  v1::GetGenerationRequest request;
  request.set_id(id);
  return parts_->Ask(&Images::GetGeneration, request, timeout);
}

absl::StatusOr<v1::Generation> ImageClient::CancelGeneration(const std::string& id, absl::Duration timeout) {
  v1::CancelGenerationRequest request;
  request.set_id(id);
  return parts_->Ask(&Images::CancelGeneration, request, timeout);
}

absl::StatusOr<v1::ListModelsResponse> ImageClient::ListModels(absl::Duration timeout) {
  return parts_->Ask(&Images::ListModels, v1::ListModelsRequest(), timeout);
}

absl::StatusOr<bool> ImageClient::IsServing(const std::string& service, absl::Duration timeout) {
  const auto attempt = parts_->NewAttempt(absl::Now() + timeout);
  ::grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  ::grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = parts_->health->Check(&attempt->context(), request, &response);
  if (!status.ok()) return parts_->Status(status);
  return response.status() == ::grpc::health::v1::HealthCheckResponse::SERVING;
}

void ImageClient::Cancel() { parts_->calls->Cancel(); }

bool ImageClient::cancelled() const { return parts_->calls->cancelled(); }

}  // namespace easel
