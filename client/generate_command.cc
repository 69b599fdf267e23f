#include "client/generate_command.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/error_text.h"
#include "client/event_json.h"
#include "client/generate_request.h"
#include "client/output_files.h"
#include "client/progress_view.h"
#include "server/image/image_codec.h"
#include "server/image/png.h"

namespace easel {
namespace {

constexpr double kSecondsBetweenFrames = 0.04;

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

// One run: what its events lead to.
class Run {
 public:
  Run(const Arguments& arguments, uint32_t count, const Terminal& terminal, std::ostream& out,
      std::ostream& err)
      : arguments_(arguments), count_(count), terminal_(terminal), view_(terminal), out_(out), err_(err) {}

  void OnEvent(const v1::GenerationEvent& event) {
    if (event.has_started()) count_ = event.started().parameters().num_images();
    const std::string file = event.has_image()     ? KeepImage(event.image())
                             : event.has_preview() ? KeepPreview(event)
                                                   : std::string();
    if (arguments_.json) {
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

  // Ends the display. The exit code.
  int Finish(const absl::StatusOr<v1::GenerateResponse>& response) {
    if (drawing()) err_ << view_.Finish();
    for (const std::string& line : notes_) err_ << line << "\n";
    for (const std::string& line : written_) out_ << line << "\n";
    out_.flush();
    if (!response.ok()) {
      err_ << ErrorText(response.status());
    } else if (!arguments_.json) {
      const v1::Accounting& accounting = response->accounting();
      err_ << absl::StreamFormat("done: %d steps in %.2f s, of which %.2f s waiting\n",
                                 accounting.steps_run(), accounting.total_seconds(),
                                 accounting.queue_seconds());
    }
    err_.flush();
    return response.ok() && !failed_ ? 0 : 1;
  }

 private:
  bool drawing() const { return terminal_.interactive && !arguments_.json; }

  // Shows a line now, or, where it would get into the drawing, after it.
  void Say(const std::string& line) {
    if (drawing()) {
      notes_.push_back(line);
    } else {
      err_ << line << std::endl;
    }
  }

  void Show(const v1::GenerationEvent& event) {
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
  std::string KeepImage(const v1::ImageChunk& image) {
    const GenerateArguments& generate = arguments_.generate;
    if (generate.output == "-") {
      out_.write(image.chunk().data(), static_cast<std::streamsize>(image.chunk().size())).flush();
      if (!out_) Fail("cannot write to stdout");
      return "";
    }
    const std::string path = generate.output.empty() ? FreePath(image.seed(), image.format())
                                                     : NumberedPath(generate.output, image.index(), count_);
    if (const absl::Status status = WriteFile(path, image.chunk()); !status.ok()) {
      Fail(std::string(status.message()));
      return "";
    }
    const std::string line =
        absl::StrCat("wrote ", path, " (", image.width(), "x", image.height(), ", seed ", image.seed(), ")");
    if (drawing()) {
      written_.push_back(line);
    } else if (!arguments_.json) {
      out_ << line << std::endl;
    }
    return path;
  }

  std::string KeepPreview(const v1::GenerationEvent& event) {
    const std::string& directory = arguments_.generate.preview_directory;
    if (directory.empty()) return "";
    const v1::PreviewImage& preview = event.preview();
    const std::string path =
        absl::StrFormat("%s/image-%d-step-%04d.png", directory, event.image_index(), preview.step());
    const auto png = EncodeImage({.width = static_cast<int>(preview.width()),
                                  .height = static_cast<int>(preview.height()),
                                  .rgb = {preview.data().begin(), preview.data().end()}},
                                 {});
    const absl::Status status = png.ok() ? WriteFile(path, *png) : png.status();
    if (status.ok()) return path;
    Fail(std::string(status.message()));
    return "";
  }

  void Fail(const std::string& message) {
    failed_ = true;
    Say(absl::StrCat("easel: ", message));
  }

  const Arguments& arguments_;
  uint32_t count_;  // pictures asked for
  const Terminal terminal_;
  ProgressView view_;
  std::ostream& out_;
  std::ostream& err_;
  double drawn_ = 0;                  // when the last frame was
  bool failed_ = false;               // to write something
  std::vector<std::string> notes_;    // for err_, after the drawing
  std::vector<std::string> written_;  // for out_, after the drawing
};

absl::Status CheckOutputs(const GenerateArguments& arguments, uint32_t count) {
  if (!arguments.preview_directory.empty()) {
    std::error_code error;
    std::filesystem::create_directories(arguments.preview_directory, error);
    if (error) {
      return absl::UnknownError(
          absl::StrCat("cannot make ", arguments.preview_directory, ": ", error.message()));
    }
    if (absl::Status status = CheckWritable(arguments.preview_directory + "/image-0.png"); !status.ok())
      return status;
  }
  if (arguments.output == "-") return absl::OkStatus();
  // A picture's name is known only when its seed is: any name tells whether the directory takes one.
  if (arguments.output.empty()) return CheckWritable(FreePath(0, arguments.format));
  for (uint32_t i = 0; i < std::max(1u, count); ++i) {
    if (absl::Status status = CheckWritable(NumberedPath(arguments.output, i, count)); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

}  // namespace

int RunGenerate(const Arguments& arguments, ImageClient& client, const Terminal& terminal, std::ostream& out,
                std::ostream& err) {
  const GenerateArguments& generate = arguments.generate;
  ImageParameters like;
  if (!generate.like.empty()) {
    auto read = ReadLike(generate.like);
    if (!read.ok()) {
      err << "easel: " << read.status().message() << "\n";
      return 1;
    }
    like = *std::move(read);
  }
  v1::GenerateRequest request = BuildRequest(generate, like);
  const uint32_t count = generate.num_images.value_or(1);
  if (const absl::Status status = CheckOutputs(generate, count); !status.ok()) {
    err << "easel: " << status.message() << "\n";
    return 1;
  }
  // Only what somebody will see is asked for.
  const bool kept = arguments.json || !generate.preview_directory.empty();
  if (generate.preview > 0 && (kept || terminal.pictures)) {
    *request.mutable_preview() = PreviewRequest(generate, kept ? 0 : ProgressView::TileSize(terminal, count));
  }
  const absl::Duration timeout = generate.timeout_seconds.has_value()
                                     ? absl::Seconds(*generate.timeout_seconds)
                                     : absl::InfiniteDuration();
  Run run(arguments, count, terminal, out, err);
  return run.Finish(client.Generate(
      request, [&](const v1::GenerationEvent& event) { run.OnEvent(event); }, timeout));
}

}  // namespace easel
