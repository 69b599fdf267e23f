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
    std::string server = "127.0.0.1:50051";   // HOST:PORT
    std::string tls_ca = {};                  // file of PEM roots; empty: no TLS
    std::string tls_cert = {}, tls_key = {};  // files of PEM, for a server that asks who its clients are
    std::string tls_server_name = {};  // what the server's certificate must be for; empty: `server`'s host
    std::string api_key = {};          // sent as `authorization: Bearer KEY`; empty: none
    std::string tenant = {};           // sent as `x-easel-tenant`; empty: none
  };
  // Sees every event of a generation. A picture's pieces come joined: one `image` event, all of it in
  // `chunk`.
  using OnEvent = std::function<void(const v1::GenerationEvent&)>;

  // The end of a generation that was started; called once.
  using OnEnd = std::function<void(absl::StatusOr<v1::GenerateResponse>)>;

  // Does not touch the network yet. Fails when a file cannot be read, or one of those for TLS is missing.
  static absl::StatusOr<std::unique_ptr<ImageClient>> Create(const Options& options);

  // All calls below but StartGenerate block, and return the server's status: its code, its message, and each
  // of its google.rpc details as a payload under the detail's type URL. When nobody answers at the address,
  // UNAVAILABLE says so and has the payload kNoServerPayload. DEADLINE_EXCEEDED after `timeout`.
  static constexpr char kNoServerPayload[] = "easel/no-server";
  // In its place where somebody answers, and the two do not get on over TLS: what to mend.
  static constexpr char kTlsPayload[] = "easel/tls";

  // Runs GenerateStream; on_event is called on this thread. What comes back is what Generate would have.
  absl::StatusOr<v1::GenerateResponse> Generate(const v1::GenerateRequest& request, const OnEvent& on_event,
                                                absl::Duration timeout = absl::InfiniteDuration());

  // Generate for many at once: returns at once. Both functions are called on gRPC's threads, which they must
  // not hold up, one call of them at a time, on_end last. `tenant`: in place of Options::tenant, unless
  // empty. REQUIRES: this object stays until on_end was called.
  void StartGenerate(const v1::GenerateRequest& request, absl::Duration timeout, const std::string& tenant,
                     OnEvent on_event, OnEnd on_end);

  // The calls of the same names (easel/v1/image_generation.proto). Watch is as Generate.
  absl::StatusOr<v1::Generation> Submit(const v1::GenerateRequest& request,
                                        absl::Duration timeout = absl::InfiniteDuration());
  absl::StatusOr<v1::GenerateResponse> Watch(const std::string& id, const OnEvent& on_event,
                                             absl::Duration timeout = absl::InfiniteDuration());
  absl::StatusOr<v1::Generation> Get(const std::string& id,
                                     absl::Duration timeout = absl::InfiniteDuration());
  absl::StatusOr<v1::Generation> CancelGeneration(const std::string& id,
                                                  absl::Duration timeout = absl::InfiniteDuration());

  absl::StatusOr<v1::ListModelsResponse> ListModels(absl::Duration timeout = absl::InfiniteDuration());

  // `service`: full name of a service; empty: the server as a whole.
  absl::StatusOr<::grpc::health::v1::HealthCheckResponse::ServingStatus> Health(
      const std::string& service, absl::Duration timeout = absl::InfiniteDuration());

  // Cancels the calls that run and all later ones: they return CANCELLED. Any thread, at any time.
  void Cancel();
  bool cancelled() const;  // Cancel was called

 private:
  class Call;
  class StreamCall;
  ImageClient(const Options& options, std::shared_ptr<grpc::Channel> channel);
  absl::Status ToStatus(const grpc::Status& status) const;
  template <typename Request, typename Response>
  absl::StatusOr<Response> Ask(grpc::Status (v1::ImageGeneration::Stub::*method)(grpc::ClientContext*,
                                                                                 const Request&, Response*),
                               const Request& request, absl::Duration timeout);

  // Constant after construction.
  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::ImageGeneration::Stub> images_;
  const std::unique_ptr<::grpc::health::v1::Health::Stub> health_;

  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::shared_ptr<grpc::ClientContext>> running_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel
