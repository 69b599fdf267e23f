// One generation as `easel` shows it: how it comes along on a terminal or as lines, its pictures in files.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/progress_view.h"
#include "client/cli/terminal.h"
#include "easel/v1/image_generation.pb.h"

namespace easel {

class GenerationDisplay {
 public:
  struct Options {
    std::string output;             // as GenerateArguments::output
    std::string preview_directory;  // keeps every preview; empty: none is kept
    bool json = false;              // events as JSON on `out`, nothing drawn
  };

  // `count`: pictures asked for, as far as is known before `started` tells. `out` gets the pictures' names,
  // or JSON, or the picture itself (output `-`); `err`, which is `terminal`, all else.
  GenerationDisplay(Options options, uint32_t count, const Terminal& terminal, std::ostream& out,
                    std::ostream& err);

  // The generation's next event, a picture whole in its `chunk`.
  void OnEvent(const v1::GenerationEvent& event);

  // Ends the display with how the call ended. The exit code: 0, or 1 when it or the writing of a file failed.
  int Finish(const absl::StatusOr<v1::GenerateResponse>& response);
  // Ends the display early, saying that the generation goes on and how to come back to it. The exit code: 1.
  int Leave();

  // Empty: no event came yet.
  const std::string& generation_id() const { return generation_id_; }

 private:
  bool drawing() const { return terminal_.interactive && !options_.json; }
  void Say(const std::string& line);
  void Fail(const std::string& message);
  void Show(const v1::GenerationEvent& event);
  std::string KeepImage(const v1::ImageChunk& image);
  std::string KeepPreview(const v1::GenerationEvent& event);
  void EndDrawing();

  const Options options_;
  const Terminal terminal_;
  std::ostream& out_;
  std::ostream& err_;
  std::string generation_id_;
  uint32_t count_;  // pictures asked for
  ProgressView view_;
  double drawn_ = 0;                  // when the last frame was
  bool failed_ = false;               // to write something
  std::vector<std::string> notes_;    // for err_, after the drawing
  std::vector<std::string> written_;  // for out_, after the drawing
};

// Whether the files of `count` pictures, and previews, could be written; makes preview_directory.
absl::Status CheckOutputs(const GenerationDisplay::Options& options, v1::ImageFormat format, uint32_t count);

}  // namespace easel
