// The line that no proto passes inwards: a request becomes a GenerationPlan, complete and validated, or a
// status that names every field that is wrong. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "easel/v1/image_generation.pb.h"
#include "model/generation_spec.h"
#include "server/engine/engine.h"
#include "server/image/image_codec.h"
#include "server/service/model_description.h"

namespace easel {

enum class Answer { kStream, kUnary };

// What one request asks for, every default filled in.
struct GenerationPlan {
  v1::GenerateRequest resolved;          // the request, complete: what `started` echoes
  std::string model;                     // a served name
  std::vector<GenerationSpec> pictures;  // by index
  std::string class_name;                // the usual one of the class asked for, if it has any

  EncodeOptions output;  // without the parameters, which differ from picture to picture
  bool embed_parameters = false;

  int preview_every_n_steps = 0;  // 0: none
  std::string preview_method;
  std::optional<int> preview_max_size;
  EncodeOptions preview;

  int priority = 0;     // -100 to 100
  bool detach = false;  // goes on without its caller
};

// InvalidArgument with a BadRequest of all that is wrong. `random_seed` is taken when the request has no
// seed.
absl::StatusOr<GenerationPlan> ToPlan(const v1::GenerateRequest& request, const ServedModel& model,
                                      const RequestLimits& limits, Answer answer, uint64_t random_seed);

// The text that goes into picture `index` (server/image/parameters.h).
std::string ParametersText(const GenerationPlan& plan, int index);

v1::ImageFormat ToProto(ImageFormat format);

}  // namespace easel
