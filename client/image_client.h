// A client of an Easel server, or of several that serve the same models. Tries again what may be tried again,
// so that a server that restarts, drains, is full for a moment or dies costs its callers time alone.
//
// Thread-safe: several calls may run at once, each on the thread that makes it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "easel/v1/image_generation.pb.h"

namespace easel {

class ImageClient {
 public:
  struct Options {
    // HOST:PORT; or several servers, as `dns:///NAME:PORT`, which is every address of the name, or
    // `ipv4:ADDRESS:PORT,ADDRESS:PORT`. Calls take turns between those of them that serve (grpc.health.v1).
    std::string server = "127.0.0.1:50051";
    std::string tls_ca = {};                  // file of PEM roots; empty: no TLS
    std::string tls_cert = {}, tls_key = {};  // files of PEM, for a server that asks who its clients are
    std::string tls_server_name = {};  // what the server's certificate must be for; empty: `server`'s host
    std::string api_key = {};          // sent as `authorization: Bearer KEY`; empty: none
    std::string tenant = {};           // sent as `x-easel-tenant`; empty: none
    int retries = 3;                   // how often a call is tried again (below); 0: never
  };
  // Sees every event of a generation. A picture's pieces come joined: one `image` event, all of it in
  // `chunk`. When the call is tried again, `queued` and `started` come again, under a `generation_id` that
  // may be another, and so do `progress` and `preview` of pictures that had not come; of each picture one
  // `image` comes, and in the end one `done`.
  using OnEvent = std::function<void(const v1::GenerationEvent&)>;

  // The end of a generation that was started; called once.
  using OnEnd = std::function<void(absl::StatusOr<v1::GenerateResponse>)>;

  // Does not touch the network yet. Fails when a file cannot be read, or one of those for TLS is missing.
  static absl::StatusOr<std::unique_ptr<ImageClient>> Create(const Options& options);
  ~ImageClient();

  // All calls below but StartGenerate block, and return the server's status: its code, its message, and each
  // of its google.rpc details as a payload under the detail's type URL. When nobody answers at the address,
  // UNAVAILABLE says so and has the payload kNoServerPayload. DEADLINE_EXCEEDED after `timeout`, which is of
  // the call with all its tries.
  //
  // Tried again is what ended with UNAVAILABLE, as which a stream that broke off counts, or with
  // RESOURCE_EXHAUSTED and a RetryInfo: after the time that its RetryInfo asks for, with none after 0.25 s
  // and then longer each time, always with some jitter. What would begin after the deadline, or more than a
  // minute later, is not tried: the last status stands, with its RetryInfo. IsServing is never tried again.
  static constexpr char kNoServerPayload[] = "easel/no-server";
  // In its place where somebody answers, and the two do not get on over TLS: what to mend.
  static constexpr char kTlsPayload[] = "easel/tls";

  // Runs GenerateStream; on_event is called on this thread. What comes back is what Generate would have.
  //
  // However often it is tried, there is one picture: a request without a request_id gets one here, by which
  // the same server joins it to what it has begun, and a random seed, if it has none, from which another
  // server draws the same. A request that has a request_id goes out as it is: servers take a seed that is not
  // set from that.
  absl::StatusOr<v1::GenerateResponse> Generate(const v1::GenerateRequest& request, const OnEvent& on_event,
                                                absl::Duration timeout = absl::InfiniteDuration());

  // Generate for many at once: returns at once. Both functions are called on gRPC's threads, which they must
  // not hold up, one call of them at a time, on_end last. `tenant`: in place of Options::tenant, unless
  // empty. REQUIRES: this object stays until on_end was called.
  void StartGenerate(const v1::GenerateRequest& request, absl::Duration timeout, const std::string& tenant,
                     OnEvent on_event, OnEnd on_end);

  // The calls of the same names (easel/v1/image_generation.proto). Submit names and seeds the request as
  // Generate does. Watch is as Generate; a generation is known to the server alone that draws it.
  absl::StatusOr<v1::Generation> Submit(const v1::GenerateRequest& request,
                                        absl::Duration timeout = absl::InfiniteDuration());
  absl::StatusOr<v1::GenerateResponse> Watch(const std::string& id, const OnEvent& on_event,
                                             absl::Duration timeout = absl::InfiniteDuration());
  absl::StatusOr<v1::Generation> Get(const std::string& id,
                                     absl::Duration timeout = absl::InfiniteDuration());
  absl::StatusOr<v1::Generation> CancelGeneration(const std::string& id,
                                                  absl::Duration timeout = absl::InfiniteDuration());

  absl::StatusOr<v1::ListModelsResponse> ListModels(absl::Duration timeout = absl::InfiniteDuration());

  // Whether grpc.health.v1 says SERVING. `service`: full name of a service, or
  // easel.v1.ImageGeneration/MODEL; empty: the server as a whole. NOT_FOUND: it knows no such service.
  absl::StatusOr<bool> IsServing(const std::string& service,
                                 absl::Duration timeout = absl::InfiniteDuration());

  // Cancels the calls that run and all later ones: they return CANCELLED. Any thread, at any time.
  void Cancel();
  bool cancelled() const;  // Cancel was called

 private:
  struct Parts;
  class StreamCall;
  explicit ImageClient(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace easel
