#include "client/load/load_alone.h"

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace easel {
namespace {

constexpr size_t kRuns = 3;  // odd

absl::StatusOr<v1::GenerateResponse> Draw(ImageClient& client, const v1::GenerateRequest& request,
                                          const std::string& tenant) {
  absl::StatusOr<v1::GenerateResponse> result;
  absl::Notification ended;
  client.StartGenerate(
      request, absl::InfiniteDuration(), tenant, [](const v1::GenerationEvent&) {},
      [&](absl::StatusOr<v1::GenerateResponse> response) {
        result = std::move(response);
        ended.Notify();
      });
  ended.WaitForNotification();
  return result;
}

}  // namespace

absl::StatusOr<std::vector<double>> TimeAlone(ImageClient& client, const std::vector<LoadKind>& mix,
                                              const OnShare& on_share) {
  std::vector<double> medians;
  for (const LoadKind& kind : mix) {
    std::vector<double> seconds;
    for (size_t run = 0; run <= kRuns; ++run) {
      const double began = LoadClock();
      const auto response = Draw(client, RequestOf(kind, run), kind.tenant);
      if (!response.ok()) {
        return absl::Status(response.status().code(),
                            absl::StrCat(KindName(kind.request), ": ", response.status().message()));
      }
      if (run > 0) seconds.push_back(LoadClock() - began);
    }
    medians.push_back(PercentilesOf(seconds).p50);
    on_share(medians.size(), mix.size());
  }
  return medians;
}

Verification VerifyAlone(ImageClient& client, const std::vector<LoadRun::Ended>& ended,
                         const OnShare& on_share) {
  struct Pictures {
    v1::GenerateRequest request;
    std::string tenant;
    std::vector<uint64_t> digests;
  };
  std::map<std::string, Pictures> asked;  // by the request's bytes, which are its name in this process
  for (const LoadRun::Ended& one : ended) {
    if (one.record.code != absl::StatusCode::kOk) continue;
    v1::GenerateRequest request = one.request;
    request.clear_preview();
    Pictures& pictures = asked[request.SerializeAsString()];
    pictures.request = std::move(request);
    pictures.tenant = one.record.tenant;
    pictures.digests.push_back(one.digest);
  }
  Verification found;
  size_t done = 0;
  for (const auto& [name, pictures] : asked) {
    const auto alone = Draw(client, pictures.request, pictures.tenant);
    on_share(++done, asked.size());
    if (!alone.ok()) {
      found.not_compared += pictures.digests.size();
      continue;
    }
    found.compared += pictures.digests.size();
    found.different += pictures.digests.size() -
                       std::count(pictures.digests.begin(), pictures.digests.end(), DigestOf(*alone));
  }
  return found;
}

}  // namespace easel
