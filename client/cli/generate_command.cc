#include "client/cli/generate_command.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/generate_request.h"
#include "client/cli/generation_display.h"
#include "client/cli/progress_view.h"
#include "server/image/png.h"

namespace easel {
namespace {

absl::StatusOr<ImageParameters> ReadLike(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  const auto named = [&](const absl::Status& status) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  };
  const auto decoded = DecodePng(bytes.str());
  if (!decoded.ok()) return named(decoded.status());
  if (decoded->parameters.empty())
    return absl::NotFoundError(absl::StrCat(path, " does not say how it was made"));
  auto parameters = ParseParameters(decoded->parameters);
  if (!parameters.ok()) return named(parameters.status());
  return parameters;
}

}  // namespace

absl::StatusOr<v1::GenerateRequest> RequestOf(const GenerateArguments& generate) {
  if (generate.like.empty()) return BuildRequest(generate, {});
  const absl::StatusOr<ImageParameters> like = ReadLike(generate.like);
  if (!like.ok()) return like.status();
  return BuildRequest(generate, *like);
}

int RunGenerate(const Arguments& arguments, ImageClient& client, const Terminal& terminal, std::ostream& out,
                std::ostream& err) {
  const GenerateArguments& generate = arguments.generate;
  absl::StatusOr<v1::GenerateRequest> request = RequestOf(generate);
  const uint32_t count = generate.num_images.value_or(1);
  const GenerationDisplay::Options options{
      .output = generate.output, .preview_directory = generate.preview_directory, .json = arguments.json};
  const absl::Status ready = request.ok() ? CheckOutputs(options, generate.format, count) : request.status();
  if (!ready.ok()) {
    err << "easel: " << ready.message() << "\n";
    return 1;
  }
  // Only what somebody will see is asked for; but that there is such a method is the server's to say.
  const bool kept = arguments.json || !generate.preview_directory.empty();
  if (generate.preview > 0 && (kept || terminal.pictures || !generate.preview_method.empty())) {
    *request->mutable_preview() =
        PreviewRequest(generate, kept ? 0 : ProgressView::TileSize(terminal, count));
  }
  const absl::Duration timeout = generate.timeout_seconds.has_value()
                                     ? absl::Seconds(*generate.timeout_seconds)
                                     : absl::InfiniteDuration();
  GenerationDisplay display(options, count, terminal, out, err);
  const auto response = client.Generate(
      *request, [&](const v1::GenerationEvent& event) { display.OnEvent(event); }, timeout);
  const bool left = !response.ok() && client.cancelled() && !display.generation_id().empty();
  return left && generate.detach_on_disconnect ? display.Leave() : display.Finish(response);
}

}  // namespace easel
