#include "client/image_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/channel_credentials.h"
#include "client/response_gatherer.h"
#include "google/rpc/status.pb.h"

namespace easel {

// One call's context, known to Cancel while it lives.
class ImageClient::Call {
 public:
  // `tenant`: empty for that of the client's options.
  Call(ImageClient* client, absl::Duration timeout, const std::string& tenant = "") : client_(client) {
    const Options& options = client_->options_;
    if (timeout < absl::InfiniteDuration()) context_->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (!options.api_key.empty())
      context_->AddMetadata("authorization", absl::StrCat("Bearer ", options.api_key));
    if (const std::string& name = tenant.empty() ? options.tenant : tenant; !name.empty()) {
      context_->AddMetadata("x-easel-tenant", name);
    }
    absl::MutexLock lock(&client_->mutex_);
    if (client_->cancelled_) context_->TryCancel();
    client_->running_.insert(context_);
  }
  ~Call() {
    absl::MutexLock lock(&client_->mutex_);
    client_->running_.erase(context_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  grpc::ClientContext* context() { return context_.get(); }

 private:
  ImageClient* const client_;
  const std::shared_ptr<grpc::ClientContext> context_ = std::make_shared<grpc::ClientContext>();
};

// A GenerateStream that nobody waits for. Owns itself until its end.
class ImageClient::StreamCall final : public grpc::ClientReadReactor<v1::GenerationEvent> {
 public:
  StreamCall(ImageClient* client, v1::GenerateRequest request, absl::Duration timeout,
             const std::string& tenant, OnEvent on_event, OnEnd on_end)
      : client_(client),
        request_(std::move(request)),
        on_event_(std::move(on_event)),
        on_end_(std::move(on_end)),
        call_(client, timeout, tenant) {}

  void Start() {
    client_->images_->async()->GenerateStream(call_.context(), &request_, this);
    StartRead(&event_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;  // OnDone follows
    gatherer_.Take(event_, on_event_);
    StartRead(&event_);
  }

  void OnDone(const grpc::Status& status) override {
    absl::StatusOr<v1::GenerateResponse> result = gatherer_.Finish(client_->ToStatus(status));
    const OnEnd on_end = std::move(on_end_);
    delete this;  // first: the client may go as soon as on_end was called
    on_end(std::move(result));
  }

 private:
  ImageClient* const client_;
  const v1::GenerateRequest request_;
  const OnEvent on_event_;
  OnEnd on_end_;
  Call call_;
  v1::GenerationEvent event_;
  ResponseGatherer gatherer_;
};

absl::StatusOr<std::unique_ptr<ImageClient>> ImageClient::Create(const Options& options) {
  const auto credentials = MakeChannelCredentials({options.tls_ca, options.tls_cert, options.tls_key});
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments channel;
  if (!options.tls_server_name.empty()) channel.SetSslTargetNameOverride(options.tls_server_name);
  channel.SetMaxReceiveMessageSize(-1);  // Get brings all pictures in one message
  return std::unique_ptr<ImageClient>(
      new ImageClient(options, grpc::CreateCustomChannel(options.server, *credentials, channel)));
}

ImageClient::ImageClient(const Options& options, std::shared_ptr<grpc::Channel> channel)
    : options_(options),
      channel_(std::move(channel)),
      images_(v1::ImageGeneration::NewStub(channel_)),
      health_(::grpc::health::v1::Health::NewStub(channel_)) {}

absl::Status ImageClient::ToStatus(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status details;
  details.ParseFromString(
      status.error_details());  // what does not parse leaves no details: the code and message stand
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && details.details().empty() &&
      channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_TRANSIENT_FAILURE) {
    if (const std::string hint = TlsHint(!options_.tls_ca.empty(), status.error_message()); !hint.empty()) {
      absl::Status refused = absl::UnavailableError(
          absl::StrCat("no connection to ", options_.server, " (", status.error_message(), ")"));
      refused.SetPayload(kTlsPayload, absl::Cord(hint));
      return refused;
    }
    absl::Status nobody = absl::UnavailableError(
        absl::StrCat("no server answers at ", options_.server, " (", status.error_message(), ")"));
    nobody.SetPayload(kNoServerPayload, absl::Cord(options_.server));
    return nobody;
  }
  absl::Status result(code, status.error_message());
  for (const auto& detail : details.details())
    result.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  return result;
}

template <typename Request, typename Response>
absl::StatusOr<Response> ImageClient::Ask(
    grpc::Status (v1::ImageGeneration::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    const Request& request, absl::Duration timeout) {
  Call call(this, timeout);
  Response response;
  const grpc::Status status = ((*images_).*method)(call.context(), request, &response);
  if (!status.ok()) return ToStatus(status);
  return response;
}

absl::StatusOr<v1::GenerateResponse> ImageClient::Generate(const v1::GenerateRequest& request,
                                                           const OnEvent& on_event, absl::Duration timeout) {
  Call call(this, timeout);
  const auto reader = images_->GenerateStream(call.context(), request);
  ResponseGatherer gatherer;
  for (v1::GenerationEvent event; reader->Read(&event);) gatherer.Take(event, on_event);
  return gatherer.Finish(ToStatus(reader->Finish()));
}

void ImageClient::StartGenerate(const v1::GenerateRequest& request, absl::Duration timeout,
                                const std::string& tenant, OnEvent on_event, OnEnd on_end) {
  (new StreamCall(this, request, timeout, tenant, std::move(on_event), std::move(on_end)))->Start();
}

absl::StatusOr<v1::GenerateResponse> ImageClient::Watch(const std::string& id, const OnEvent& on_event,
                                                        absl::Duration timeout) {
  Call call(this, timeout);
  v1::WatchGenerationRequest request;
  request.set_id(id);
  const auto reader = images_->WatchGeneration(call.context(), request);
  ResponseGatherer gatherer;
  for (v1::GenerationEvent event; reader->Read(&event);) gatherer.Take(event, on_event);
  return gatherer.Finish(ToStatus(reader->Finish()));
}

absl::StatusOr<v1::Generation> ImageClient::Submit(const v1::GenerateRequest& request,
                                                   absl::Duration timeout) {
  return Ask(&v1::ImageGeneration::Stub::SubmitGeneration, request, timeout);
}

absl::StatusOr<v1::Generation> ImageClient::Get(const std::string& id, absl::Duration timeout) {
  v1::GetGenerationRequest request;
  request.set_id(id);
  return Ask(&v1::ImageGeneration::Stub::GetGeneration, request, timeout);
}

absl::StatusOr<v1::Generation> ImageClient::CancelGeneration(const std::string& id, absl::Duration timeout) {
  v1::CancelGenerationRequest request;
  request.set_id(id);
  return Ask(&v1::ImageGeneration::Stub::CancelGeneration, request, timeout);
}

absl::StatusOr<v1::ListModelsResponse> ImageClient::ListModels(absl::Duration timeout) {
  return Ask(&v1::ImageGeneration::Stub::ListModels, v1::ListModelsRequest(), timeout);
}

absl::StatusOr<::grpc::health::v1::HealthCheckResponse::ServingStatus> ImageClient::Health(
    const std::string& service, absl::Duration timeout) {
  Call call(this, timeout);
  ::grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  ::grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = health_->Check(call.context(), request, &response);
  if (!status.ok()) return ToStatus(status);
  return response.status();
}

void ImageClient::Cancel() {
  std::set<std::shared_ptr<grpc::ClientContext>> running;
  {
    absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    running = running_;
  }
  for (const auto& context : running) context->TryCancel();
}

bool ImageClient::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

}  // namespace easel
