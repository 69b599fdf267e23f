// What grpc.health.v1 says of the server ("" and each service's name) and of each model (a service's name,
// "/" and the model's): SERVING from Serve until a model's last device is lost or the server drains.
#pragma once

#include <grpcpp/health_check_service_interface.h>

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/sync/mutex.h"

namespace easel {

// Thread-safe. NOT_SERVING at first.
class ModelHealth {
 public:
  // `health` outlives every call of this. To be called once, before the others.
  void Open(grpc::HealthCheckServiceInterface* health);
  // Once. Models that are down already stay so.
  void Serve(const std::vector<std::string>& models);
  // For good. The server as a whole follows when no model is left.
  void Down(std::string_view model);
  // Whether Down was not called for it.
  bool IsUp(std::string_view model) const;

 private:
  void TellOfThoseDown();
  // Of all services together: they have one engine.
  void Set(bool serving);
  void Set(std::string_view model, bool serving);

  grpc::HealthCheckServiceInterface* health_ = nullptr;
  mutable Mutex mutex_;  // not held while gRPC is called
  std::vector<std::string> models_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> down_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel
