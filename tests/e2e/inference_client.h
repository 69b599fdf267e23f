// A client of the Open Inference Protocol by its own stub, for a TestServer.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "inference/grpc_service.grpc.pb.h"
#include "tests/e2e/test_server.h"

namespace easel {

using InferRequestMessage = inference::ModelInferRequest;
using StreamResponse = inference::ModelStreamInferResponse;

inline InferRequestMessage Infer(int steps, uint64_t seed = 1, const std::string& id = "") {
  InferRequestMessage request;
  request.set_model_name("staged");
  request.set_id(id);
  const auto add = [&request](const char* name, const char* datatype) {
    auto* input = request.add_inputs();
    input->set_name(name);
    input->set_datatype(datatype);
    input->add_shape(1);
    return input->mutable_contents();
  };
  add("CLASS_LABEL", "INT64")->add_int64_contents(1);
  add("STEPS", "INT32")->add_int_contents(steps);
  add("SEED", "UINT64")->add_uint64_contents(seed);
  return request;
}

inline InferRequestMessage WithPreviews(InferRequestMessage request) {
  (*request.mutable_parameters())["preview_every_n_steps"].set_int64_param(1);
  return request;
}

// The only element of the output, as it travels; empty where there is none.
inline std::string Raw(const inference::ModelInferResponse& response, std::string_view name) {
  for (int i = 0; i < response.outputs_size(); ++i) {
    if (response.outputs(i).name() == name) return response.raw_output_contents(i);
  }
  return "";
}
inline std::string Picture(const inference::ModelInferResponse& response) {
  const std::string raw = Raw(response, "IMAGE");
  return raw.empty() ? "" : raw.substr(4);
}
inline bool IsFinal(const StreamResponse& response) {
  return response.infer_response().parameters().at("triton_final_response").bool_param();
}

// What ImageGeneration draws for the same.
inline std::string Drawn(int steps, uint64_t seed = 1) {
  return Draw(*Serving(), Staged(steps, seed))->images(0).data();
}

struct Stream {
  explicit Stream(const TestServer& server, const grpc::ChannelArguments& arguments = {})
      : stub(inference::GRPCInferenceService::NewStub(server.Channel(arguments))) {}
  void Open() { stream = stub->ModelStreamInfer(&context); }
  // Up to the end.
  std::vector<StreamResponse> ReadAll() {
    std::vector<StreamResponse> all;
    StreamResponse response;
    while (stream->Read(&response)) all.push_back(response);
    return all;
  }

  std::unique_ptr<inference::GRPCInferenceService::Stub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<InferRequestMessage, StreamResponse>> stream;
};

inline grpc::Status CallInfer(const TestServer& server, const InferRequestMessage& request,
                              inference::ModelInferResponse* response) {
  grpc::ClientContext context;
  return inference::GRPCInferenceService::NewStub(server.Channel())->ModelInfer(&context, request, response);
}

}  // namespace easel
