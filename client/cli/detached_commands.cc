#include "client/cli/detached_commands.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/cli/error_text.h"
#include "client/cli/event_json.h"
#include "client/cli/generate_command.h"
#include "client/cli/generate_request.h"
#include "client/cli/generation_display.h"
#include "client/cli/output_files.h"

namespace easel {
namespace {

// DONE is `done`.
std::string StateName(v1::GenerationState state) {
  const std::string name = v1::GenerationState_Name(state);
  return absl::AsciiStrToLower(std::string(absl::StripPrefix(name, "GENERATION_STATE_")));
}

// Why it ended, as its own stream would have told.
absl::Status ErrorOf(const v1::Generation& generation) {
  return absl::Status(static_cast<absl::StatusCode>(generation.error_code()), generation.error_message());
}

v1::ImageChunk Chunk(const v1::GeneratedImage& image) {
  v1::ImageChunk chunk;
  chunk.set_index(image.index());
  chunk.set_seed(image.seed());
  chunk.set_format(image.format());
  chunk.set_width(image.width());
  chunk.set_height(image.height());
  chunk.set_chunk(image.data());
  chunk.set_last_chunk(true);
  return chunk;
}

// Prints it, or the error that came instead; whether it came.
bool Print(const absl::StatusOr<v1::Generation>& generation, bool json, std::ostream& out,
           std::ostream& err) {
  if (!generation.ok()) {
    err << ErrorText(generation.status());
    return false;
  }
  out << (json ? GenerationToJson(*generation, {}) + "\n" : GenerationText(*generation));
  return true;
}

}  // namespace

std::string GenerationText(const v1::Generation& generation) {
  std::string text = absl::StrCat(generation.id(), ": ", StateName(generation.state()), "\n");
  if (generation.has_queued()) {
    absl::StrAppend(&text, "  pictures ahead: ", generation.queued().position());
    if (generation.queued().has_estimated_wait_seconds()) {
      absl::StrAppendFormat(&text, ", about %.1f s", generation.queued().estimated_wait_seconds());
    }
    text += "\n";
  }
  for (const v1::PictureProgress& picture : generation.progress()) {
    absl::StrAppend(&text, "  picture ", picture.image_index(), ": step ", picture.progress().step(), "/",
                    picture.progress().total(), "\n");
  }
  for (const v1::Warning& warning : generation.warnings()) {
    absl::StrAppend(&text, "  warning: ", warning.field(), ": ", warning.message(), "\n");
  }
  if (!generation.images().empty()) absl::StrAppend(&text, "  finished: ", generation.images_size(), "\n");
  if (generation.error_code() != 0) {
    absl::StrAppend(&text, "  ", absl::StatusCodeToString(ErrorOf(generation).code()), ": ",
                    generation.error_message(), "\n");
  }
  if (generation.expires_at() > 0) {
    const absl::Time until = absl::UnixEpoch() + absl::Seconds(generation.expires_at());
    absl::StrAppend(&text, "  kept until ",
                    absl::FormatTime("%Y-%m-%d %H:%M:%S", until, absl::LocalTimeZone()), "\n");
  }
  return text;
}

int RunSubmit(const Arguments& arguments, ImageClient& client, std::ostream& out, std::ostream& err) {
  const GenerateArguments& generate = arguments.generate;
  absl::StatusOr<v1::GenerateRequest> request = RequestOf(generate);
  if (!request.ok()) {
    err << "easel: " << request.status().message() << "\n";
    return 1;
  }
  if (generate.preview > 0) *request->mutable_preview() = PreviewRequest(generate, 0);
  const absl::Duration timeout = generate.timeout_seconds.has_value()
                                     ? absl::Seconds(*generate.timeout_seconds)
                                     : absl::InfiniteDuration();
  const auto generation = client.Submit(*request, timeout);
  if (!generation.ok()) {
    err << ErrorText(generation.status());
    return 1;
  }
  if (arguments.json) {
    out << GenerationToJson(*generation, {}) << "\n";
    return 0;
  }
  out << generation->id() << std::endl;
  for (const v1::Warning& warning : generation->warnings()) {
    err << "warning: " << warning.field() << ": " << warning.message() << "\n";
  }
  err << StateName(generation->state()) << ": `easel watch " << generation->id() << "` shows it, `easel get "
      << generation->id() << " -o FILE` writes it when it is done\n";
  return 0;
}

int RunWatch(const Arguments& arguments, ImageClient& client, const Terminal& terminal, std::ostream& out,
             std::ostream& err) {
  const GenerationArguments& generation = arguments.generation;
  const GenerationDisplay::Options options{
      .output = generation.output, .preview_directory = generation.preview_directory, .json = arguments.json};
  constexpr uint32_t kCount = 1;  // until `started` tells
  if (const absl::Status status = CheckOutputs(options, v1::IMAGE_FORMAT_PNG, kCount); !status.ok()) {
    err << "easel: " << status.message() << "\n";
    return 1;
  }
  GenerationDisplay display(options, kCount, terminal, out, err);
  const auto response =
      client.Watch(generation.id, [&](const v1::GenerationEvent& event) { display.OnEvent(event); });
  const bool left = !response.ok() && client.cancelled() && !display.generation_id().empty();
  return left ? display.Leave() : display.Finish(response);
}

int RunGet(const Arguments& arguments, ImageClient& client, std::ostream& out, std::ostream& err) {
  const std::string& output = arguments.generation.output;
  const auto generation = client.Get(arguments.generation.id);
  if (output.empty()) {
    if (!Print(generation, arguments.json, out, err)) return 1;
    return ErrorOf(*generation).ok() ? 0 : 1;
  }
  if (!generation.ok()) {
    err << ErrorText(generation.status());
    return 1;
  }
  if (generation->state() != v1::GENERATION_STATE_DONE) {
    err << "easel: there is nothing to write yet\n" << GenerationText(*generation);
    return 1;
  }
  std::vector<std::string> files, lines;
  for (const v1::GeneratedImage& image : generation->images()) {
    const v1::ImageChunk chunk = Chunk(image);
    const auto path = KeepPicture(output, chunk, static_cast<uint32_t>(generation->images_size()), out);
    if (!path.ok()) {
      err << "easel: " << path.status().message() << "\n";
      return 1;
    }
    if (path->empty()) continue;  // stdout, which is the picture's alone
    files.push_back(*path);
    if (!arguments.json) out << WroteLine(*path, chunk) << std::endl;
  }
  if (arguments.json) out << GenerationToJson(*generation, files) << "\n";
  return 0;
}

int RunCancel(const Arguments& arguments, ImageClient& client, std::ostream& out, std::ostream& err) {
  const auto generation = client.CancelGeneration(arguments.generation.id);
  return Print(generation, arguments.json, out, err) ? 0 : 1;
}

}  // namespace easel
