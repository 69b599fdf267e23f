#include "server/inference/infer_parameters.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "server/service/model_description.h"

namespace easel {
namespace {

using inference::InferParameter;

// One parameter on its way into the request: reads of a kind give nothing, and say why, for what is not of
// it.
class Reader {
 public:
  Reader(const InferParameter& given, InferRequest* request) : given_(given), request_(request) {}

  InferRequest& infer() { return *request_; }
  v1::GenerateRequest& request() { return request_->request; }
  const std::string& wrong() const { return wrong_; }

  std::optional<uint64_t> Count(uint64_t most = std::numeric_limits<uint32_t>::max()) {
    if (given_.has_uint64_param() && given_.uint64_param() <= most) return given_.uint64_param();
    if (given_.has_int64_param() && given_.int64_param() >= 0 &&
        static_cast<uint64_t>(given_.int64_param()) <= most) {
      return static_cast<uint64_t>(given_.int64_param());
    }
    Refuse(absl::StrCat("a whole number from 0 to ", most, ", as int64 or uint64"));
    return std::nullopt;
  }
  std::optional<double> Real() {
    if (given_.has_double_param()) return given_.double_param();
    if (given_.has_int64_param()) return static_cast<double>(given_.int64_param());
    if (given_.has_uint64_param()) return static_cast<double>(given_.uint64_param());
    Refuse("a number");
    return std::nullopt;
  }
  std::optional<std::string> Text() {
    if (given_.has_string_param()) return given_.string_param();
    Refuse("a string");
    return std::nullopt;
  }
  void Bool() {
    if (!given_.has_bool_param()) Refuse("true, false");
  }
  void Refuse(std::string_view allowed) {
    wrong_ = absl::StrCat(Given(), " given; allowed: ", std::string(allowed));
  }

 private:
  std::string Given() const {
    switch (given_.parameter_choice_case()) {
      case InferParameter::kBoolParam:
        return given_.bool_param() ? "true" : "false";
      case InferParameter::kInt64Param:
        return absl::StrCat(given_.int64_param());
      case InferParameter::kStringParam:
        return Quoted(given_.string_param());
      case InferParameter::kDoubleParam:
        return absl::StrCat(given_.double_param());
      case InferParameter::kUint64Param:
        return absl::StrCat(given_.uint64_param());
      case InferParameter::PARAMETER_CHOICE_NOT_SET:
        break;
    }
    return "nothing";
  }

  const InferParameter& given_;
  InferRequest* const request_;
  std::string wrong_;
};

void ReadOutputFormat(Reader& reader) {
  const auto name = reader.Text();
  if (!name.has_value()) return;
  v1::Output& output = *reader.request().mutable_output();
  if (*name == "png") {
    output.set_format(v1::IMAGE_FORMAT_PNG);
  } else if (*name == "jpeg") {
    output.set_format(v1::IMAGE_FORMAT_JPEG);
  } else if (*name == "webp") {
    output.set_format(v1::IMAGE_FORMAT_WEBP);
  } else {
    reader.Refuse("png, jpeg, webp");
  }
}

// A parameter of that name, and where it goes.
struct Parameter {
  std::string_view name;
  void (*read)(Reader&);
};

#define EASEL_TAKES(kind, setter)                        \
  [](Reader& r) {                                        \
    if (const auto v = r.kind()) r.request().setter(*v); \
  }

// clang-format off
constexpr Parameter kParameters[] = {
    {"class_name", EASEL_TAKES(Text, set_class_name)},
    {"flow_shift", EASEL_TAKES(Real, set_flow_shift)},
    {"guidance_rescale", EASEL_TAKES(Real, set_guidance_rescale)},
    {"num_images", EASEL_TAKES(Count, set_num_images)},
    {"output_format", ReadOutputFormat},
    {"output_quality", EASEL_TAKES(Count, mutable_output()->set_quality)},
    {"preview_every_n_steps", EASEL_TAKES(Count, mutable_preview()->set_every_n_steps)},
    {"preview_max_size", EASEL_TAKES(Count, mutable_preview()->set_max_size)},
    {"preview_method", EASEL_TAKES(Text, mutable_preview()->set_method)},
    {"priority", [](Reader& r) {
       const auto level = r.Count(kPriorityLevels);
       if (level.value_or(0) > 0) r.request().set_priority(kDefaultPriorityLevel - static_cast<int>(*level));
     }},
    {"request_id", EASEL_TAKES(Text, set_request_id)},
    {"sampler", EASEL_TAKES(Text, set_sampler)},
    {"timeout", [](Reader& r) {
       const auto microseconds = r.Count(std::numeric_limits<int64_t>::max());
       if (microseconds.value_or(0) > 0) r.infer().timeout = absl::Microseconds(static_cast<int64_t>(*microseconds));
     }},
    {"triton_enable_empty_final_response", [](Reader& r) { r.Bool(); }},
    {"true_cfg_scale", EASEL_TAKES(Real, set_true_cfg_scale)},
};
// clang-format on

#undef EASEL_TAKES

std::string AllNames() {
  std::vector<std::string> names;
  for (const Parameter& parameter : kParameters) names.emplace_back(parameter.name);
  return Listed(names);
}

}  // namespace

void ReadParameters(const inference::ModelInferRequest& from, Answer answer, InferRequest* request,
                    std::vector<FieldViolation>* violations) {
  // A map's own order is another every time.
  const std::map<std::string, InferParameter> given(from.parameters().begin(), from.parameters().end());
  for (const auto& [name, value] : given) {
    const auto* known = std::find_if(std::begin(kParameters), std::end(kParameters),
                                     [&name = name](const Parameter& one) { return one.name == name; });
    if (known == std::end(kParameters)) {
      violations->push_back({Quoted(name), absl::StrCat("no such parameter; there are: ", AllNames())});
      continue;
    }
    Reader reader(value, request);
    if (name.starts_with("preview_") && answer == Answer::kUnary) {
      reader.Refuse("none in a single answer, ModelStreamInfer carries previews");
    } else {
      known->read(reader);
    }
    if (!reader.wrong().empty()) violations->push_back({name, reader.wrong()});
  }
}

}  // namespace easel
