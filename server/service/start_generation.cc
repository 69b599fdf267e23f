#include "server/service/start_generation.h"

#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "model/io/status_macros.h"
#include "server/service/status_conversion.h"
#include "server/service/wire.h"

namespace easel {
namespace {

// From the system's own source, for names must not be guessed.
uint64_t Random() {
  std::random_device source;
  return (uint64_t{source()} << 32) | source();
}

uint64_t HashOf(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  std::string all;
  if (bytes.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      all.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  return std::hash<std::string>()(all);
}

// For a request without a seed: any, but of one with a name the name's own, so that every server, and a
// second try, draws the same for it. FNV-1a: the same in every version.
uint64_t SeedFor(const std::string& request_id) {
  if (request_id.empty()) return Random();
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : request_id) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

void Describe(const Generation& generation, CallRecord* record) {
  const GenerationPlan& plan = generation.plan();
  record->generation_id = generation.id();
  record->model = plan.model;
  record->prompt = plan.resolved.prompt();
  record->steps = plan.pictures.front().num_inference_steps;
  record->width = plan.pictures.front().width;
  record->height = plan.pictures.front().height;
  record->num_images = static_cast<int>(plan.pictures.size());
}

std::shared_ptr<Generation> NewGeneration(ServiceState* state, const std::string& id, GenerationPlan plan,
                                          const StartOptions& start) {
  Generation::Options options;
  options.id = id;
  options.arrived = start.arrived;
  options.now = state->now;
  options.pool = state->pool;
  options.observer = state->observer;
  options.detached = start.detach || plan.detach;
  // The codec's last task may outlive the service.
  options.ended = [store = std::weak_ptr(state->store), id, now = state->now](int64_t bytes) {
    if (const auto alive = store.lock()) alive->Ended(id, bytes, now());
  };
  return std::make_shared<Generation>(std::move(plan), std::move(options));
}

// Into the log, for no call is left whose line would tell it.
Generation::Unheard TellingTheLog(const ServiceState& state, const StartOptions& start,
                                  const CallRecord& call) {
  return [log = state.log, now = state.now, arrived = start.arrived, call](const absl::Status& status,
                                                                           const JobAccounting& accounting) {
    CallRecord record = call;
    record.unheard = true;
    record.status = status;
    record.seconds = absl::ToDoubleSeconds(now() - arrived);
    record.accounting = accounting;
    log(record);
  };
}

absl::Status GiveToEngine(Engine* engine, Generation* generation, const StartOptions& start,
                          Generation::Unheard unheard) {
  const GenerationPlan& plan = generation->plan();
  SubmitOptions options;
  options.tenant = start.caller.tenant;
  options.weight = start.caller.weight;
  options.priority = plan.priority;
  if (!start.detach && !plan.detach) options.deadline = start.deadline;
  options.preview_every_n_steps = plan.preview_every_n_steps;
  options.preview_method = plan.preview_method;
  std::vector<PictureRequest> pictures;
  for (size_t i = 0; i < plan.pictures.size(); ++i) {
    pictures.push_back({plan.pictures[i], generation->Listener(static_cast<int>(i))});
  }
  auto handles = engine->Submit(plan.model, std::move(pictures), options);
  if (!handles.ok()) return FromEngine(handles.status());
  generation->Begin(*std::move(handles), std::move(unheard));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Generation>> StartGeneration(ServiceState* state,
                                                            const grpc::ByteBuffer& bytes,
                                                            const StartOptions& options, CallRecord* record) {
  const std::string id = absl::StrFormat("%016x", Random());
  record->generation_id = id;
  EASEL_ASSIGN_OR_RETURN(Engine* const engine, EngineOf(*state));
  if (state->draining) return FromEngine(absl::UnavailableError("the server is stopping"));
  EASEL_ASSIGN_OR_RETURN(const v1::GenerateRequest request, Parse<v1::GenerateRequest>(bytes));
  EASEL_ASSIGN_OR_RETURN(const ServedModel* const model, FindModel(request.model(), engine->models()));
  record->model = model->name;
  EASEL_ASSIGN_OR_RETURN(GenerationPlan plan, ToPlan(request, *model, state->limits, options.answer,
                                                     SeedFor(request.request_id())));
  if (options.detach) plan.resolved.set_on_disconnect(v1::ON_DISCONNECT_DETACH);
  const std::shared_ptr<Generation> fresh = NewGeneration(state, id, std::move(plan), options);
  Describe(*fresh, record);

  const GenerationKey key = {options.caller.tenant, request.request_id(), HashOf(bytes)};
  fresh->Join(options.detach, options.deadline);
  for (;;) {
    auto added = state->store->Add(fresh, key);
    if (!added.ok()) return FromEngine(added.status());
    if (*added == fresh) break;
    if (!(*added)->Join(options.detach, options.deadline))
      continue;  // it failed at this moment, and has no name any more
    Describe(**added, record);
    return *std::move(added);
  }
  if (absl::Status status =
          GiveToEngine(engine, fresh.get(), options, TellingTheLog(*state, options, *record));
      !status.ok()) {
    state->store->Remove(fresh->id());
    fresh->Refuse(status);  // for who joined meanwhile
    return status;
  }
  return fresh;
}

absl::StatusOr<std::shared_ptr<Generation>> FindGeneration(const ServiceState& state, std::string_view tenant,
                                                           const std::string& id, CallRecord* record) {
  EASEL_ASSIGN_OR_RETURN(std::shared_ptr<Generation> generation, state.store->Find(tenant, id));
  Describe(*generation, record);
  return generation;
}

}  // namespace easel
