#include "client/cli/generate_request.h"

#include "absl/strings/str_join.h"

namespace easel {
namespace {

void SetCondition(const GenerateArguments& arguments, const ImageParameters& like,
                  v1::GenerateRequest& request) {
  if (!arguments.prompt.empty()) {
    request.set_prompt(absl::StrJoin(arguments.prompt, " "));
  } else if (arguments.class_label.has_value()) {
    request.set_class_label(*arguments.class_label);
  } else if (arguments.class_name.has_value()) {
    request.set_class_name(*arguments.class_name);
  } else if (like.prompt.has_value()) {
    request.set_prompt(*like.prompt);
  } else if (like.class_label.has_value()) {
    request.set_class_label(*like.class_label);
  } else if (!like.class_name.empty()) {
    request.set_class_name(like.class_name);
  }
}

}  // namespace

v1::GenerateRequest BuildRequest(const GenerateArguments& arguments, const ImageParameters& like) {
  v1::GenerateRequest request;
  SetCondition(arguments, like, request);
  request.set_model(arguments.model.value_or(like.model));
  request.set_negative_prompt(arguments.negative_prompt.value_or(like.negative_prompt));
  request.set_sampler(arguments.sampler.value_or(like.sampler));
  const auto either = [](const auto& first, const auto& second) {
    return first.has_value() ? first : second;
  };
  if (const auto v = either(arguments.num_inference_steps, like.num_inference_steps))
    request.set_num_inference_steps(*v);
  if (const auto v = either(arguments.guidance_scale, like.guidance_scale)) request.set_guidance_scale(*v);
  if (const auto v = either(arguments.guidance_rescale, like.guidance_rescale))
    request.set_guidance_rescale(*v);
  if (const auto v = either(arguments.true_cfg_scale, like.true_cfg_scale)) request.set_true_cfg_scale(*v);
  if (const auto v = either(arguments.width, like.width)) request.set_width(*v);
  if (const auto v = either(arguments.height, like.height)) request.set_height(*v);
  if (const auto v = either(arguments.seed, like.seed)) request.set_seed(*v);
  if (const auto v = either(arguments.flow_shift, like.flow_shift)) request.set_flow_shift(*v);
  if (arguments.num_images.has_value()) request.set_num_images(*arguments.num_images);
  request.mutable_output()->set_format(arguments.format);
  if (arguments.quality.has_value()) request.mutable_output()->set_quality(*arguments.quality);
  if (arguments.priority.has_value()) request.set_priority(*arguments.priority);
  if (arguments.detach_on_disconnect) request.set_on_disconnect(v1::ON_DISCONNECT_DETACH);
  request.set_request_id(arguments.request_id);
  return request;
}

v1::Preview PreviewRequest(const GenerateArguments& arguments, int max_size) {
  v1::Preview preview;
  preview.set_every_n_steps(arguments.preview);
  preview.set_method(arguments.preview_method);
  preview.set_format(v1::IMAGE_FORMAT_RAW_RGB8);
  if (max_size > 0) preview.set_max_size(max_size);
  return preview;
}

}  // namespace easel
