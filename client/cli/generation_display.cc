#include "client/cli/generation_display.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/error_text.h"
#include "client/cli/event_json.h"
#include "client/cli/output_files.h"
#include "server/image/image_codec.h"

namespace easel {
namespace {

constexpr double kSecondsBetweenFrames = 0.04;

}  // namespace

GenerationDisplay::GenerationDisplay(Options options, uint32_t count, const Terminal& terminal,
                                     std::ostream& out, std::ostream& err)
    : options_(std::move(options)),
      terminal_(terminal),
      out_(out),
      err_(err),
      count_(count),
      view_(terminal) {}

void GenerationDisplay::OnEvent(const v1::GenerationEvent& event) {
  generation_id_ = event.generation_id();
  if (event.has_started()) count_ = event.started().parameters().num_images();
  const std::string file = event.has_image()     ? KeepImage(event.image())
                           : event.has_preview() ? KeepPreview(event)
                                                 : std::string();
  if (options_.json) {
    out_ << EventToJson(event, file) << std::endl;
  } else {
    Show(event);
  }
  if (event.has_started()) {
    for (const v1::Warning& warning : event.started().warnings()) {
      Say(absl::StrCat("warning: ", warning.field(), ": ", warning.message()));
    }
  }
}

void GenerationDisplay::EndDrawing() {
  if (drawing()) err_ << view_.Finish();
  for (const std::string& line : notes_) err_ << line << "\n";
  for (const std::string& line : written_) out_ << line << "\n";
  out_.flush();
}

int GenerationDisplay::Finish(const absl::StatusOr<v1::GenerateResponse>& response) {
  EndDrawing();
  if (!response.ok()) {
    err_ << ErrorText(response.status());
  } else if (!options_.json) {
    const v1::Accounting& accounting = response->accounting();
    err_ << absl::StreamFormat("done: %d steps in %.2f s, of which %.2f s waiting\n", accounting.steps_run(),
                               accounting.total_seconds(), accounting.queue_seconds());
  }
  err_.flush();
  return response.ok() && !failed_ ? 0 : 1;
}

int GenerationDisplay::Leave() {
  EndDrawing();
  err_ << "easel: " << generation_id_ << " goes on without you: `easel watch " << generation_id_
       << "` comes back to it, `easel cancel " << generation_id_ << "` stops it" << std::endl;
  return 1;
}

// Shows a line now, or, where it would get into the drawing, after it.
void GenerationDisplay::Say(const std::string& line) {
  if (drawing()) {
    notes_.push_back(line);
  } else {
    err_ << line << std::endl;
  }
}

void GenerationDisplay::Fail(const std::string& message) {
  failed_ = true;
  Say(absl::StrCat("easel: ", message));
}

void GenerationDisplay::Show(const v1::GenerationEvent& event) {
  const double now = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
  if (!drawing()) {
    if (const auto line = PlainLine(event, count_)) err_ << *line << std::endl;
    return;
  }
  view_.Apply(event, now);
  if (now - drawn_ < kSecondsBetweenFrames && !event.has_image()) return;
  drawn_ = now;
  err_ << view_.Redraw(now) << std::flush;
}

// The file it was written to; empty for stdout and failures.
std::string GenerationDisplay::KeepImage(const v1::ImageChunk& image) {
  const absl::StatusOr<std::string> path = KeepPicture(options_.output, image, count_, out_);
  if (!path.ok()) {
    Fail(std::string(path.status().message()));
    return "";
  }
  if (path->empty()) return "";
  if (drawing()) {
    written_.push_back(WroteLine(*path, image));
  } else if (!options_.json) {
    out_ << WroteLine(*path, image) << std::endl;
  }
  return *path;
}

std::string GenerationDisplay::KeepPreview(const v1::GenerationEvent& event) {
  if (options_.preview_directory.empty()) return "";
  const v1::PreviewImage& preview = event.preview();
  const std::string path = absl::StrFormat("%s/image-%d-step-%04d.png", options_.preview_directory,
                                           event.image_index(), preview.step());
  const std::optional<Image> image =
      PixelsOf(preview.format(), preview.width(), preview.height(), preview.data());
  if (!image.has_value()) return "";  // in a format that only its own caller asked for
  const auto png = EncodeImage(*image, {});
  const absl::Status status = png.ok() ? WriteFile(path, *png) : png.status();
  if (status.ok()) return path;
  Fail(std::string(status.message()));
  return "";
}

absl::Status CheckOutputs(const GenerationDisplay::Options& options, v1::ImageFormat format, uint32_t count) {
  if (!options.preview_directory.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.preview_directory, error);
    if (error) {
      return absl::UnknownError(
          absl::StrCat("cannot make ", options.preview_directory, ": ", error.message()));
    }
    if (absl::Status status = CheckWritable(options.preview_directory + "/image-0.png"); !status.ok())
      return status;
  }
  if (options.output == "-") return absl::OkStatus();
  // A picture's name is known only when its seed is: any name tells whether the directory takes one.
  if (options.output.empty()) return CheckWritable(FreePath(0, format));
  constexpr uint32_t kMostLookedAt =
      256;  // of more pictures than any server draws, their number is what is wrong
  for (uint32_t i = 0; i < std::clamp(count, 1u, kMostLookedAt); ++i) {
    if (absl::Status status = CheckWritable(NumberedPath(options.output, i, count)); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

}  // namespace easel
