#include "client/image_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/status.pb.h"

namespace easel {

// One call's context, known to Cancel while it lives.
class ImageClient::Call {
 public:
  Call(ImageClient* client, absl::Duration timeout) : client_(client) {
    if (timeout < absl::InfiniteDuration()) context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    if (!client->options_.api_key.empty()) {
      context_.AddMetadata("authorization", absl::StrCat("Bearer ", client->options_.api_key));
    }
    absl::MutexLock lock(&client_->mutex_);
    if (client_->cancelled_) context_.TryCancel();
    client_->running_.insert(&context_);
  }
  ~Call() {
    absl::MutexLock lock(&client_->mutex_);
    client_->running_.erase(&context_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  grpc::ClientContext* context() { return &context_; }

 private:
  ImageClient* client_;
  grpc::ClientContext context_;
};

absl::StatusOr<std::unique_ptr<ImageClient>> ImageClient::Create(const Options& options) {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (!options.tls_ca.empty()) {
    std::ifstream file(options.tls_ca, std::ios::binary);
    std::stringstream roots;
    roots << file.rdbuf();
    if (!file || roots.str().empty()) {
      return absl::InvalidArgumentError(absl::StrCat("cannot read the certificates of ", options.tls_ca));
    }
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = roots.str();
    credentials = grpc::SslCredentials(tls);
  }
  return std::unique_ptr<ImageClient>(
      new ImageClient(options, grpc::CreateChannel(options.server, credentials)));
}

ImageClient::ImageClient(const Options& options, std::shared_ptr<grpc::Channel> channel)
    : options_(options),
      channel_(std::move(channel)),
      images_(v1::ImageGeneration::NewStub(channel_)),
      health_(::grpc::health::v1::Health::NewStub(channel_)) {}

absl::Status ImageClient::ToStatus(const grpc::Status& status) const {
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status details;
  details.ParseFromString(
      status.error_details());  // what does not parse leaves no details: the code and message stand
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && details.details().empty() &&
      channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_TRANSIENT_FAILURE) {
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

absl::StatusOr<v1::GenerateResponse> ImageClient::Generate(const v1::GenerateRequest& request,
                                                           const OnEvent& on_event, absl::Duration timeout) {
  Call call(this, timeout);
  const auto reader = images_->GenerateStream(call.context(), request);
  v1::GenerateResponse response;
  std::map<uint32_t, std::string> pieces;  // of pictures not complete yet, by index
  bool done = false;
  v1::GenerationEvent event;
  while (reader->Read(&event)) {
    response.set_generation_id(event.generation_id());
    if (event.has_started()) {
      *response.mutable_parameters() = event.started().parameters();
      *response.mutable_warnings() = event.started().warnings();
    } else if (event.has_done()) {
      *response.mutable_accounting() = event.done().accounting();
      done = true;
    } else if (event.has_image()) {
      std::string& data = pieces[event.image().index()];
      data += event.image().chunk();
      if (!event.image().last_chunk()) continue;
      event.mutable_image()->set_chunk(std::move(data));
      pieces.erase(event.image().index());
    }
    on_event(event);
    if (!event.has_image()) continue;
    v1::GeneratedImage* image = response.add_images();
    image->set_index(event.image().index());
    image->set_seed(event.image().seed());
    image->set_format(event.image().format());
    image->set_width(event.image().width());
    image->set_height(event.image().height());
    image->set_data(std::move(*event.mutable_image()->mutable_chunk()));
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return ToStatus(status);
  if (!done || !pieces.empty()) return absl::InternalError("the server ended the stream before all was sent");
  std::sort(response.mutable_images()->begin(), response.mutable_images()->end(),
            [](const auto& a, const auto& b) { return a.index() < b.index(); });
  return response;
}

absl::StatusOr<v1::ListModelsResponse> ImageClient::ListModels(absl::Duration timeout) {
  Call call(this, timeout);
  v1::ListModelsResponse response;
  const grpc::Status status = images_->ListModels(call.context(), v1::ListModelsRequest(), &response);
  if (!status.ok()) return ToStatus(status);
  return response;
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
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  for (grpc::ClientContext* context : running_) context->TryCancel();
}

}  // namespace easel
