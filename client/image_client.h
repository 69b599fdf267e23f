// A client of one server. Thread-safe: several calls may run at once, each on the thread that makes it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "easel/v1/image_generation.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace easel {

class ImageClient {
 public:
  struct Options {
    std::string server = "127.0.0.1:50051";  // HOST:PORT
    std::string tls_ca = {};                 // file of PEM roots; empty: no TLS
    std::string api_key = {};                // sent as `authorization: Bearer KEY`; empty: none
  };
  // Sees every event of a generation. A picture's pieces come joined: one `image` event, all of it in
  // `chunk`.
  using OnEvent = std::function<void(const v1::GenerationEvent&)>;

  // Does not touch the network yet. Fails when the file `tls_ca` cannot be read.
  static absl::StatusOr<std::unique_ptr<ImageClient>> Create(const Options& options);

  // All calls below block, and return the server's status: its code, its message, and each of its google.rpc
  // details as a payload under the detail's type URL. When nobody answers at the address, UNAVAILABLE says so
  // and has the payload kNoServerPayload. DEADLINE_EXCEEDED after `timeout`.
  static constexpr char kNoServerPayload[] = "easel/no-server";

  // Runs GenerateStream; on_event is called on this thread. What comes back is what Generate would have.
  absl::StatusOr<v1::GenerateResponse> Generate(const v1::GenerateRequest& request, const OnEvent& on_event,
                                                absl::Duration timeout = absl::InfiniteDuration());

  absl::StatusOr<v1::ListModelsResponse> ListModels(absl::Duration timeout = absl::InfiniteDuration());

  // `service`: full name of a service; empty: the server as a whole.
  absl::StatusOr<::grpc::health::v1::HealthCheckResponse::ServingStatus> Health(
      const std::string& service, absl::Duration timeout = absl::InfiniteDuration());

  // Cancels the calls that run and all later ones: they return CANCELLED. Any thread, at any time.
  void Cancel();

 private:
  class Call;
  ImageClient(const Options& options, std::shared_ptr<grpc::Channel> channel);
  absl::Status ToStatus(const grpc::Status& status) const;

  // Constant after construction.
  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::ImageGeneration::Stub> images_;
  const std::unique_ptr<::grpc::health::v1::Health::Stub> health_;

  absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<grpc::ClientContext*> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel
