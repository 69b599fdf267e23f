#include "server/inference/infer_call.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "server/image/png.h"
#include "server/inference/tensors.h"
#include "server/service/event_conversion.h"
#include "server/service/wire.h"

namespace easel {
namespace {

absl::StatusOr<grpc::ByteBuffer> BytesOf(const absl::StatusOr<InferRequest>& parsed) {
  if (!parsed.ok()) return parsed.status();
  return Serialize(parsed->request);
}

absl::Time DeadlineOf(const absl::StatusOr<InferRequest>& parsed, absl::Time now) {
  return parsed.ok() ? now + parsed->timeout : absl::InfiniteFuture();
}

}  // namespace

InferCall::Asked InferCall::Read(GenerateCall::Rpc rpc, const grpc::ByteBuffer& bytes) {
  const auto request = Parse<inference::ModelInferRequest>(bytes);
  if (!request.ok()) return {"", "", request.status()};
  return {
      request->id(), request->model_name(),
      ParseInferRequest(*request, rpc == GenerateCall::Rpc::kModelInfer ? Answer::kUnary : Answer::kStream)};
}

InferCall::InferCall(GenerateCall::Rpc rpc, InferenceState* state, grpc::CallbackServerContext* context,
                     const grpc::ByteBuffer& request, std::function<void()> wake)
    : state_(state),
      asked_(Read(rpc, request)),
      call_(rpc, state->service, context, BytesOf(asked_.parsed), std::move(wake),
            DeadlineOf(asked_.parsed, state->service->now())) {}

InferCall::Item InferCall::Next() {
  for (;;) {
    EventStream::Item item = call_.Next();
    if (const auto* status = std::get_if<absl::Status>(&item)) {
      return status->ok() ? failure_ : InTensorWords(*status);
    }
    auto* event = std::get_if<v1::GenerationEvent>(&item);
    if (event == nullptr) return std::monostate();  // the turn is another's now
    const bool done = event->has_done();
    if (event->has_preview() && failure_.ok()) {
      Response preview = Preview(*event);
      if (failure_.ok()) return preview;
    } else {
      Collect(std::move(*event), &collected_);
    }
    if (done && failure_.ok()) {
      Response final = Final();
      if (failure_.ok()) return final;
    }
  }
}

InferCall::Response InferCall::Preview(const v1::GenerationEvent& event) {
  const v1::PreviewImage& preview = event.preview();
  Picture picture;
  picture.seed = collected_.parameters().seed() + event.image_index();
  picture.step = static_cast<int>(preview.step());
  picture.width = static_cast<int>(preview.width());
  picture.height = static_cast<int>(preview.height());
  picture.data = preview.data();
  Response response{Respond({picture}), false};
  (*response.message.mutable_parameters())["image_index"].set_int64_param(event.image_index());
  return response;
}

InferCall::Response InferCall::Final() {
  std::sort(collected_.mutable_images()->begin(), collected_.mutable_images()->end(),
            [](const auto& a, const auto& b) { return a.index() < b.index(); });
  std::vector<Picture> pictures;
  for (const v1::GeneratedImage& image : collected_.images()) {
    pictures.push_back({image.seed(), static_cast<int>(collected_.parameters().num_inference_steps()),
                        static_cast<int>(image.width()), static_cast<int>(image.height()), image.data()});
  }
  Response response{Respond(pictures), true};
  collected_.clear_images();
  return response;
}

inference::ModelInferResponse InferCall::Respond(const std::vector<Picture>& pictures) {
  inference::ModelInferResponse response;
  response.set_model_name(collected_.parameters().model());
  response.set_model_version(kModelVersion);
  response.set_id(asked_.id);
  (*response.mutable_parameters())["generation_id"].set_string_param(call_.generation_id());
  if (!collected_.warnings().empty()) {
    (*response.mutable_parameters())["warning"].set_string_param(
        absl::StrJoin(collected_.warnings(), "; ",
                      [](std::string* out, const v1::Warning& warning) { out->append(warning.message()); }));
  }
  std::vector<std::string_view> files;
  std::vector<uint64_t> seeds;
  std::vector<int32_t> steps;
  for (const Picture& picture : pictures) {
    files.push_back(picture.data);
    seeds.push_back(picture.seed);
    steps.push_back(picture.step);
  }
  if (asked_.parsed->image) AddBytes("IMAGE", files, &response);
  if (asked_.parsed->image_raw) AddPixels(pictures, &response);
  if (asked_.parsed->seed) AddUint64("SEED", seeds, &response);
  if (asked_.parsed->step) AddInt32("STEP", steps, &response);
  return response;
}

void InferCall::AddPixels(const std::vector<Picture>& pictures, inference::ModelInferResponse* response) {
  std::string pixels;
  for (const Picture& picture : pictures) {
    if (!decodes()) {  // they are asked for as they are
      pixels.append(picture.data);
      continue;
    }
    const auto decoded = DecodePng(picture.data);
    if (!decoded.ok()) {
      failure_ =
          absl::InternalError("a picture could not be read back: " + std::string(decoded.status().message()));
      return;
    }
    pixels.append(reinterpret_cast<const char*>(decoded->image.rgb.data()), decoded->image.rgb.size());
  }
  const int width = pictures.empty() ? 0 : pictures.front().width;
  const int height = pictures.empty() ? 0 : pictures.front().height;
  AddUint8("IMAGE_RAW", {static_cast<int64_t>(pictures.size()), height, width, 3}, std::move(pixels),
           response);
}

grpc::Status InferCall::End(const absl::Status& status) {
  const grpc::Status told = call_.End(status);
  std::string model = call_.record().model;
  const Engine* engine = state_->service->engine.load();
  if (model.empty() && engine != nullptr) {  // refused before it was looked for
    const auto found = FindModel(asked_.model, engine->models());
    if (found.ok()) model = (*found)->name;
  }
  if (!model.empty()) state_->statistics.Add(model, call_.record(), state_->service->now());
  return told;
}

}  // namespace easel
