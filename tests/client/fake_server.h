// An ImageGeneration server in this process, whose answers a test writes.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/image_client.h"
#include "easel/v1/image_generation.grpc.pb.h"

namespace easel {

class FakeServer final : public v1::ImageGeneration::Service {
 public:
  using Writer = grpc::ServerWriter<v1::GenerationEvent>;
  using Answer = std::function<grpc::Status(const v1::GenerateRequest&, Writer*)>;
  // Answers Submit, Get and Cancel; `id`: the generation asked for, empty for Submit.
  using Detached = std::function<grpc::Status(const std::string& id, v1::Generation*)>;

  explicit FakeServer(Answer answer = {}) : answer_(std::move(answer)) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    health()->SetServingStatus("easel.v1.ImageGeneration", true);
  }
  ~FakeServer() override { server_->Shutdown(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::unique_ptr<ImageClient> Client(const std::string& api_key = "", const std::string& tenant = "") const {
    return *ImageClient::Create({.server = address(), .api_key = api_key, .tenant = tenant, .retries = 0});
  }
  void set_watch(Answer watch) {
    absl::MutexLock lock(&mutex_);
    watch_ = std::move(watch);
  }
  void set_detached(Detached detached) {
    absl::MutexLock lock(&mutex_);
    detached_ = std::move(detached);
  }
  grpc::HealthCheckServiceInterface* health() { return server_->GetHealthCheckService(); }
  v1::ListModelsResponse& models() { return models_; }
  // What was sent, by Submit too, and with which keys.
  std::vector<v1::GenerateRequest> requests() {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  std::vector<std::string> authorizations() { return metadata("authorization"); }
  // The values of that key, of all calls in their order.
  std::vector<std::string> metadata(const std::string& key) {
    absl::MutexLock lock(&mutex_);
    return metadata_[key];
  }
  // What was asked of which generation, such as `get g1`.
  std::vector<std::string> asked() {
    absl::MutexLock lock(&mutex_);
    return asked_;
  }

  grpc::Status GenerateStream(grpc::ServerContext* context, const v1::GenerateRequest* request,
                              Writer* writer) override {
    Note(*context, *request);
    return answer_(*request, writer);
  }
  grpc::Status SubmitGeneration(grpc::ServerContext* context, const v1::GenerateRequest* request,
                                v1::Generation* response) override {
    Note(*context, *request);
    return detached()("", response);
  }
  grpc::Status WatchGeneration(grpc::ServerContext*, const v1::WatchGenerationRequest* request,
                               Writer* writer) override {
    Note("watch " + request->id());
    return watch()({}, writer);
  }
  grpc::Status GetGeneration(grpc::ServerContext*, const v1::GetGenerationRequest* request,
                             v1::Generation* response) override {
    Note("get " + request->id());
    return detached()(request->id(), response);
  }
  grpc::Status CancelGeneration(grpc::ServerContext*, const v1::CancelGenerationRequest* request,
                                v1::Generation* response) override {
    Note("cancel " + request->id());
    return detached()(request->id(), response);
  }
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    *response = models_;
    return grpc::Status::OK;
  }

 private:
  void Note(const grpc::ServerContext& context, const v1::GenerateRequest& request) {
    absl::MutexLock lock(&mutex_);
    requests_.push_back(request);
    for (const auto& [key, value] : context.client_metadata()) {
      metadata_[std::string(key.data(), key.size())].emplace_back(value.data(), value.size());
    }
  }
  void Note(const std::string& asked) {
    absl::MutexLock lock(&mutex_);
    asked_.push_back(asked);
  }

  Answer watch() {
    absl::MutexLock lock(&mutex_);
    return watch_;
  }
  Detached detached() {
    absl::MutexLock lock(&mutex_);
    return detached_;
  }

  const Answer answer_;
  int port_ = 0;
  v1::ListModelsResponse models_;
  absl::Mutex mutex_;
  Answer watch_;
  Detached detached_;
  std::vector<v1::GenerateRequest> requests_;
  std::map<std::string, std::vector<std::string>> metadata_;
  std::vector<std::string> asked_;
  std::unique_ptr<grpc::Server> server_;
};

// Events as a server would send them.
inline v1::GenerationEvent StartedEvent(uint32_t num_images = 1, uint32_t steps = 2) {
  v1::GenerationEvent event;
  event.set_generation_id("g1");
  event.mutable_started()->set_device("cpu");
  event.mutable_started()->mutable_parameters()->set_num_images(num_images);
  event.mutable_started()->mutable_parameters()->set_num_inference_steps(steps);
  return event;
}

inline v1::GenerationEvent ProgressEvent(uint32_t index, uint32_t step, uint32_t total) {
  v1::GenerationEvent event;
  event.set_generation_id("g1");
  event.set_image_index(index);
  event.mutable_progress()->set_step(step);
  event.mutable_progress()->set_total(total);
  return event;
}

inline v1::GenerationEvent PreviewEvent(uint32_t index, uint32_t step, uint32_t width, uint32_t height,
                                        const std::string& rgb) {
  v1::GenerationEvent event;
  event.set_generation_id("g1");
  event.set_image_index(index);
  v1::PreviewImage* preview = event.mutable_preview();
  preview->set_step(step);
  preview->set_format(v1::IMAGE_FORMAT_RAW_RGB8);
  preview->set_width(width);
  preview->set_height(height);
  preview->set_data(rgb);
  return event;
}

inline v1::GenerationEvent ImageEvent(uint32_t index, uint64_t seed, const std::string& chunk,
                                      bool last = true) {
  v1::GenerationEvent event;
  event.set_generation_id("g1");
  event.set_image_index(index);
  v1::ImageChunk* image = event.mutable_image();
  image->set_index(index);
  image->set_seed(seed);
  image->set_format(v1::IMAGE_FORMAT_PNG);
  image->set_width(2);
  image->set_height(2);
  image->set_chunk(chunk);
  image->set_last_chunk(last);
  return event;
}

inline v1::GenerationEvent DoneEvent() {
  v1::GenerationEvent event;
  event.set_generation_id("g1");
  event.mutable_done()->mutable_accounting()->set_steps_run(2);
  return event;
}

inline FakeServer::Answer Send(std::vector<v1::GenerationEvent> events,
                               grpc::Status status = grpc::Status::OK) {
  return [events = std::move(events), status](const v1::GenerateRequest&, FakeServer::Writer* writer) {
    for (const v1::GenerationEvent& event : events) writer->Write(event);
    return status;
  };
}

// Sends `events`, then progress until the call is cancelled or out of time.
inline FakeServer::Answer SendWithoutEnd(std::vector<v1::GenerationEvent> events) {
  return [events = std::move(events)](const v1::GenerateRequest&, FakeServer::Writer* writer) {
    for (const v1::GenerationEvent& event : events) writer->Write(event);
    while (writer->Write(ProgressEvent(0, 1, 2))) {
    }
    return grpc::Status(grpc::StatusCode::CANCELLED, "gone");
  };
}

}  // namespace easel
