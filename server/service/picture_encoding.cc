#include "server/service/picture_encoding.h"

#include <algorithm>
#include <string>
#include <utility>

#include "model/io/status_macros.h"
#include "server/image/image_codec.h"

namespace easel {

v1::PreviewImage EncodePreview(const GenerationPlan& plan, int step, Image image) {
  if (plan.preview_max_size.has_value()) image = Shrink(image, *plan.preview_max_size);
  absl::StatusOr<std::string> bytes = EncodeImage(image, plan.preview);
  while (bytes.ok() && bytes->size() > kMaxPreviewBytes) {
    image = Shrink(image, std::max(image.width, image.height) / 2);
    bytes = EncodeImage(image, plan.preview);
  }
  v1::PreviewImage preview;
  preview.set_step(static_cast<uint32_t>(step));
  preview.set_format(ToProto(plan.preview.format));
  preview.set_width(static_cast<uint32_t>(image.width));
  preview.set_height(static_cast<uint32_t>(image.height));
  if (bytes.ok()) preview.set_data(*std::move(bytes));
  return preview;
}

absl::StatusOr<PictureFile> EncodePicture(const GenerationPlan& plan, int index, const Image& image) {
  EncodeOptions output = plan.output;
  if (plan.embed_parameters) output.parameters = ParametersText(plan, index);
  PictureFile file;
  EASEL_ASSIGN_OR_RETURN(file.bytes, EncodeImage(image, output));
  file.bytes.shrink_to_fit();  // it grew as it was written, and may be kept for long
  file.index = index;
  file.description.set_index(static_cast<uint32_t>(index));
  file.description.set_seed(plan.pictures[index].seed);
  file.description.set_format(ToProto(output.format));
  file.description.set_width(static_cast<uint32_t>(image.width));
  file.description.set_height(static_cast<uint32_t>(image.height));
  return file;
}

}  // namespace easel
