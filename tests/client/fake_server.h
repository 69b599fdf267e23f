// An ImageGeneration server in this process, whose answers a test writes.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/image_client.h"

namespace easel {

class FakeServer final : public v1::ImageGeneration::Service {
 public:
  using Writer = grpc::ServerWriter<v1::GenerationEvent>;
  using Answer = std::function<grpc::Status(const v1::GenerateRequest&, Writer*)>;

  explicit FakeServer(Answer answer = {}) : answer_(std::move(answer)) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() override { server_->Shutdown(); }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  std::unique_ptr<ImageClient> Client(const std::string& api_key = "") const {
    return *ImageClient::Create({.server = address(), .api_key = api_key});
  }
  grpc::HealthCheckServiceInterface* health() { return server_->GetHealthCheckService(); }
  v1::ListModelsResponse& models() { return models_; }
  // What was sent, and with which keys.
  std::vector<v1::GenerateRequest> requests() {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  std::vector<std::string> authorizations() {
    absl::MutexLock lock(&mutex_);
    return authorizations_;
  }

  grpc::Status GenerateStream(grpc::ServerContext* context, const v1::GenerateRequest* request,
                              Writer* writer) override {
    {
      absl::MutexLock lock(&mutex_);
      requests_.push_back(*request);
      for (auto [at, end] = context->client_metadata().equal_range("authorization"); at != end; ++at) {
        authorizations_.emplace_back(at->second.data(), at->second.size());
      }
    }
    return answer_(*request, writer);
  }
  grpc::Status ListModels(grpc::ServerContext*, const v1::ListModelsRequest*,
                          v1::ListModelsResponse* response) override {
    *response = models_;
    return grpc::Status::OK;
  }

 private:
  const Answer answer_;
  int port_ = 0;
  v1::ListModelsResponse models_;
  absl::Mutex mutex_;
  std::vector<v1::GenerateRequest> requests_;
  std::vector<std::string> authorizations_;
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
