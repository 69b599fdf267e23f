// Tensors of the Open Inference Protocol: which there are, and their elements from and to messages. Pure
// functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "inference/grpc_service.pb.h"
#include "server/service/status_conversion.h"

namespace easel {

enum class Datatype { kBytes, kInt32, kInt64, kUint64, kFp32, kUint8 };
// As messages spell it: "BYTES", "INT32", …
std::string_view NameOf(Datatype datatype);

struct TensorType {
  std::string_view name;
  Datatype datatype;
};
// Of these a model takes some (model_metadata.h). Each is one element, of shape [1] or [1, 1].
inline constexpr std::array<TensorType, 8> kInputs = {{{"PROMPT", Datatype::kBytes},
                                                       {"NEGATIVE_PROMPT", Datatype::kBytes},
                                                       {"CLASS_LABEL", Datatype::kInt64},
                                                       {"SEED", Datatype::kUint64},
                                                       {"STEPS", Datatype::kInt32},
                                                       {"GUIDANCE_SCALE", Datatype::kFp32},
                                                       {"WIDTH", Datatype::kInt32},
                                                       {"HEIGHT", Datatype::kInt32}}};

using Element = std::variant<std::string, int32_t, int64_t, uint64_t, float>;

// The element of `tensor`, which is of a `type` that inputs have; from `raw`, its entry of
// raw_input_contents, or where that is null from its typed contents. Nothing: `violation` tells of the
// tensor, by its name, what is wrong.
std::optional<Element> ReadElement(const inference::ModelInferRequest::InferInputTensor& tensor,
                                   const TensorType& type, const std::string* raw, FieldViolation* violation);

// Append an output to a response.
void AddBytes(std::string_view name, const std::vector<std::string_view>& elements,
              inference::ModelInferResponse* response);
void AddInt32(std::string_view name, const std::vector<int32_t>& elements,
              inference::ModelInferResponse* response);
void AddUint64(std::string_view name, const std::vector<uint64_t>& elements,
               inference::ModelInferResponse* response);
// `content` is the elements, as many as `shape` says.
void AddUint8(std::string_view name, const std::vector<int64_t>& shape, std::string content,
              inference::ModelInferResponse* response);

}  // namespace easel
