#include "server/model_health.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "easel/v1/image_generation.grpc.pb.h"

namespace easel {
namespace {

std::string ServiceName() { return v1::ImageGeneration::service_full_name(); }

}  // namespace

void ModelHealth::Open(grpc::HealthCheckServiceInterface* health) {
  health_ = health;
  health_->SetServingStatus(false);
  health_->SetServingStatus(ServiceName(), false);
}

void ModelHealth::Serve(const std::vector<std::string>& models) {
  {
    MutexLock lock(&mutex_);
    models_ = models;
  }
  for (const std::string& model : models)
    health_->SetServingStatus(absl::StrCat(ServiceName(), "/", model), true);
  health_->SetServingStatus(ServiceName(), true);
  health_->SetServingStatus(true);
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
  std::set<std::string> down;
  bool all = false;
  {
    MutexLock lock(&mutex_);
    down = down_;
    all = !models_.empty() && std::all_of(models_.begin(), models_.end(),
                                          [&](const std::string& model) { return down.contains(model); });
  }
  for (const std::string& model : down)
    health_->SetServingStatus(absl::StrCat(ServiceName(), "/", model), false);
  if (!all) return;
  health_->SetServingStatus(ServiceName(), false);
  health_->SetServingStatus(false);
}

}  // namespace easel
