#include "server/engine/tenant_shares.h"

#include <algorithm>
#include <cmath>

namespace easel {
namespace {

constexpr double kFaded = 1e-3;  // s

}  // namespace

void TenantShares::Join(const std::string& tenant, double weight, double now) {
  FadeTo(now);
  level_.reset();
  Tenant& joined = tenants_[tenant];
  joined.weight = weight;
  ++joined.jobs;
}

void TenantShares::Leave(const std::string& tenant) {
  level_.reset();
  if (--tenants_.at(tenant).jobs == 0) ForgetIdle();
}

void TenantShares::Charge(const std::string& tenant, double seconds, double now) {
  FadeTo(now);
  level_.reset();
  tenants_[tenant].used += seconds;
}

void TenantShares::FadeTo(double now) {
  if (now <= now_) return;
  const double fading = std::exp((now_ - now) / kMemory);
  for (auto& [name, tenant] : tenants_) tenant.used *= fading;
  now_ = now;
}

double TenantShares::Lead(const std::string& tenant) const {
  const auto it = tenants_.find(tenant);
  if (it == tenants_.end() || it->second.jobs == 0) return 0;
  return it->second.used - it->second.weight * Level();
}

double TenantShares::Level() const {
  if (!level_.has_value()) {
    double used = 0, weights = 0;
    for (const auto& [name, tenant] : tenants_) {
      if (tenant.jobs == 0) continue;
      used += tenant.used;
      weights += tenant.weight;
    }
    level_ = used / weights;
  }
  return *level_;
}

// What has faded is as if it had never been. Of the others, who used least is forgotten first.
void TenantShares::ForgetIdle() {
  std::erase_if(tenants_,
                [](const auto& entry) { return entry.second.jobs == 0 && entry.second.used < kFaded; });
  const auto idle = [](const auto& entry) { return entry.second.jobs == 0; };
  while (static_cast<size_t>(std::count_if(tenants_.begin(), tenants_.end(), idle)) > kMostIdle) {
    auto least = tenants_.end();
    for (auto it = tenants_.begin(); it != tenants_.end(); ++it) {
      if (idle(*it) && (least == tenants_.end() || it->second.used < least->second.used)) least = it;
    }
    tenants_.erase(least);
  }
}

}  // namespace easel
