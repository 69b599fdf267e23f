#include "server/inference/infer_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "model/io/status_macros.h"
#include "proto/status_details.h"
#include "server/inference/infer_parameters.h"
#include "server/inference/tensors.h"
#include "server/service/model_description.h"
#include "server/service/status_conversion.h"

namespace easel {
namespace {

using inference::ModelInferRequest;

// A float stands for the number that people wrote: 3.3, not 3.2999999523.
double AsWritten(float value) {
  char text[64];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  double written = value;
  std::from_chars(text, end, written);
  return written;
}

// Whole numbers that GenerateRequest has as uint32.
template <typename T>
std::optional<uint32_t> Whole(const Element& element, FieldViolation* violation) {
  const int64_t given = std::get<T>(element);
  if (given >= 0 && given <= std::numeric_limits<uint32_t>::max()) return static_cast<uint32_t>(given);
  violation->description =
      absl::StrCat(given, " given; allowed: 0 to ", std::numeric_limits<uint32_t>::max());
  return std::nullopt;
}

// An input, named by its type, into the request's field. What is wrong goes into `violation`.
void Take(std::string_view name, Element element, v1::GenerateRequest* request, FieldViolation* violation) {
  if (name == "PROMPT") {
    request->set_prompt(std::get<std::string>(std::move(element)));
  } else if (name == "NEGATIVE_PROMPT") {
    request->set_negative_prompt(std::get<std::string>(std::move(element)));
  } else if (name == "CLASS_LABEL") {
    if (const auto label = Whole<int64_t>(element, violation)) request->set_class_label(*label);
  } else if (name == "SEED") {
    request->set_seed(std::get<uint64_t>(element));
  } else if (name == "STEPS") {
    if (const auto steps = Whole<int32_t>(element, violation)) request->set_num_inference_steps(*steps);
  } else if (name == "GUIDANCE_SCALE") {
    request->set_guidance_scale(AsWritten(std::get<float>(element)));
  } else if (name == "WIDTH") {
    if (const auto width = Whole<int32_t>(element, violation)) request->set_width(*width);
  } else if (name == "HEIGHT") {
    if (const auto height = Whole<int32_t>(element, violation)) request->set_height(*height);
  }
}

std::vector<std::string> InputNames() {
  std::vector<std::string> names;
  for (const TensorType& type : kInputs) names.emplace_back(type.name);
  return names;
}

void ReadInputs(const ModelInferRequest& from, v1::GenerateRequest* request,
                std::vector<FieldViolation>* violations) {
  const bool raw = from.raw_input_contents_size() > 0;
  if (raw && from.raw_input_contents_size() != from.inputs_size()) {
    violations->push_back(
        {"raw_input_contents", absl::StrCat(from.raw_input_contents_size(), " given for ", from.inputs_size(),
                                            " inputs; allowed: one each, or none")});
    return;
  }
  std::set<std::string> seen;
  for (int i = 0; i < from.inputs_size(); ++i) {
    const auto& tensor = from.inputs(i);
    const auto* type = std::find_if(kInputs.begin(), kInputs.end(),
                                    [&](const TensorType& one) { return one.name == tensor.name(); });
    if (type == kInputs.end()) {
      violations->push_back(
          {Quoted(tensor.name()), absl::StrCat("no such input; there are: ", Listed(InputNames()))});
    } else if (!seen.insert(tensor.name()).second) {
      violations->push_back({tensor.name(), "given twice; allowed: once"});
    } else if (raw && tensor.has_contents()) {
      violations->push_back(
          {tensor.name(), "contents given beside raw_input_contents; allowed: one kind in a request"});
    } else {
      FieldViolation violation;
      auto element = ReadElement(tensor, *type, raw ? &from.raw_input_contents(i) : nullptr, &violation);
      if (element.has_value()) Take(type->name, *std::move(element), request, &violation);
      if (!violation.description.empty()) violations->push_back(std::move(violation));
    }
  }
  if (seen.contains("CLASS_LABEL") + seen.contains("PROMPT") + from.parameters().contains("class_name") > 1) {
    violations->push_back(
        {seen.contains("PROMPT") ? "PROMPT" : "CLASS_LABEL",
         "given beside another condition; allowed: one of PROMPT, CLASS_LABEL, class_name"});
  }
}

void ReadOutputs(const ModelInferRequest& from, InferRequest* request,
                 std::vector<FieldViolation>* violations) {
  if (from.outputs_size() > 0) request->image = request->image_raw = request->seed = request->step = false;
  const std::array<std::pair<std::string_view, bool*>, 4> wanted = {{{"IMAGE", &request->image},
                                                                     {"IMAGE_RAW", &request->image_raw},
                                                                     {"SEED", &request->seed},
                                                                     {"STEP", &request->step}}};
  for (const auto& output : from.outputs()) {
    const auto* found = std::find_if(wanted.begin(), wanted.end(),
                                     [&](const auto& one) { return one.first == output.name(); });
    if (found == wanted.end()) {
      violations->push_back(
          {Quoted(output.name()), "no such output; there are: IMAGE, IMAGE_RAW, SEED, STEP"});
    } else if (*found->second) {
      violations->push_back({output.name(), "asked for twice; allowed: once"});
    } else if (!output.parameters().empty()) {
      violations->push_back(
          {output.name(), absl::StrCat("parameter ", Quoted(output.parameters().begin()->first),
                                       " given; allowed: none, outputs travel in the message, whole")});
    } else {
      *found->second = true;
    }
  }
}

// What files the pictures are, finished and not.
void ChooseFormats(InferRequest* request, std::vector<FieldViolation>* violations) {
  v1::Output& output = *request->request.mutable_output();
  if (output.format() != v1::IMAGE_FORMAT_UNSPECIFIED && !request->image) {
    violations->push_back({"output_format", "given; allowed: with the output IMAGE"});
  } else if (output.format() > v1::IMAGE_FORMAT_PNG && request->image_raw) {
    violations->push_back({"output_format", "given beside the output IMAGE_RAW; allowed there: png"});
  }
  if (!request->image) output.set_format(v1::IMAGE_FORMAT_RAW_RGB8);
  if (request->request.has_preview()) request->request.mutable_preview()->set_format(output.format());
}

// The names that the fields of the request made have in this protocol.
constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kWords = {
    {{"model", "model_name"},
     {"prompt", "PROMPT"},
     {"negative_prompt", "NEGATIVE_PROMPT"},
     {"class_label", "CLASS_LABEL"},
     {"seed", "SEED"},
     {"num_inference_steps", "STEPS"},
     {"guidance_scale", "GUIDANCE_SCALE"},
     {"width", "WIDTH"},
     {"height", "HEIGHT"},
     {"output.format", "output_format"},
     {"output.quality", "output_quality"},
     {"preview.every_n_steps", "preview_every_n_steps"},
     {"preview.method", "preview_method"},
     {"preview.max_size", "preview_max_size"},
     {"preview.format", "output_format"}}};

}  // namespace

absl::Status CheckVersion(const std::string& version) {
  if (version.empty() || version == kModelVersion) return absl::OkStatus();
  return absl::NotFoundError(
      absl::StrCat("model_version: ", Quoted(version), " given; there is: ", kModelVersion));
}

absl::StatusOr<InferRequest> ParseInferRequest(const ModelInferRequest& from, Answer answer) {
  EASEL_RETURN_IF_ERROR(CheckVersion(from.model_version()));
  InferRequest request;
  std::vector<FieldViolation> violations;
  request.request.set_model(from.model_name());
  ReadInputs(from, &request.request, &violations);
  ReadOutputs(from, &request, &violations);
  ReadParameters(from, answer, &request, &violations);
  ChooseFormats(&request, &violations);
  if (!violations.empty()) return InvalidFields(violations);
  return request;
}

absl::Status InTensorWords(const absl::Status& status) {
  if (status.code() != absl::StatusCode::kInvalidArgument) return status;
  const auto details = DetailOf<google::rpc::BadRequest>(status);
  if (!details.has_value()) return status;
  std::vector<FieldViolation> violations;
  for (const auto& field : details->field_violations()) {
    const auto* word = std::find_if(kWords.begin(), kWords.end(),
                                    [&](const auto& one) { return one.first == field.field(); });
    violations.push_back(
        {word == kWords.end() ? field.field() : std::string(word->second), field.description()});
  }
  return violations.empty() ? status : InvalidFields(violations);
}

}  // namespace easel
