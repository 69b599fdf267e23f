#include "server/model_health.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "easel/v1/image_generation.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"

namespace easel {
namespace {

constexpr const char* kServices[] = {v1::ImageGeneration::service_full_name(),
                                     inference::GRPCInferenceService::service_full_name()};

}  // namespace

void ModelHealth::Open(grpc::HealthCheckServiceInterface* health) {
  health_ = health;
  Set(false);
}

void ModelHealth::Set(bool serving) {
  for (const char* service : kServices) health_->SetServingStatus(service, serving);
  health_->SetServingStatus(serving);
}

void ModelHealth::Set(std::string_view model, bool serving) {
  for (const char* service : kServices) {
    health_->SetServingStatus(absl::StrCat(service, "/", std::string(model)), serving);
  }
}

bool ModelHealth::IsUp(std::string_view model) const {
  MutexLock lock(&mutex_);
  return !down_.contains(model);
}

void ModelHealth::Serve(const std::vector<std::string>& models) {
  {
    MutexLock lock(&mutex_);
    models_ = models;
  }
  for (const std::string& model : models) Set(model, true);
  Set(true);
  TellOfThoseDown();  // after the above, which a Down that came meanwhile must not lose to
}

void ModelHealth::Down(std::string_view model) {
  {
    MutexLock lock(&mutex_);
    down_.emplace(model);
  }
  TellOfThoseDown();
}

void ModelHealth::TellOfThoseDown() {
  std::set<std::string, std::less<>> down;
  bool all = false;
  {
    MutexLock lock(&mutex_);
    down = down_;
    all = !models_.empty() && std::all_of(models_.begin(), models_.end(),
                                          [&](const std::string& model) { return down.contains(model); });
  }
  for (const std::string& model : down) Set(model, false);
  if (all) Set(false);
}

}  // namespace easel
