// What a terminal shows of a generation: a bar with rate and time left and, above it, the pictures as they
// form. Pure: events and times go in, text comes out.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/terminal.h"
#include "easel/v1/image_generation.pb.h"
#include "model/image.h"

namespace easel {

// The pixels of what came over the wire; nothing for formats that are not read here (PNG and raw are).
std::optional<Image> PixelsOf(v1::ImageFormat format, uint32_t width, uint32_t height,
                              const std::string& data);

class ProgressView {
 public:
  explicit ProgressView(const Terminal& terminal) : terminal_(terminal) {}

  // `now`: seconds, of any clock that only goes forward.
  void Apply(const v1::GenerationEvent& event, double now);

  // Lines without line breaks: pictures, when the terminal shows them, then the bar.
  std::vector<std::string> Frame(double now) const;
  // The bytes that put the present frame where the last one was drawn.
  std::string Redraw(double now);
  // The bytes that end the drawing: the bar goes, the pictures stay. The cursor is then at the start of a
  // free line.
  std::string Finish();

  // Largest side, in pixels, of a picture for this terminal, of which `count` are shown.
  static int TileSize(const Terminal& terminal, uint32_t count);

 private:
  std::vector<std::string> PictureLines() const;
  std::string Bar(double now) const;
  std::string Replace(std::vector<std::string> lines);

  const Terminal terminal_;
  std::string waiting_;                 // what is shown before work begins
  std::optional<double> started_;       // when it began
  uint32_t count_ = 1;                  // pictures asked for
  uint32_t finished_ = 0;               // pictures that came
  uint32_t steps_each_ = 0;             // steps of a picture
  std::map<uint32_t, uint32_t> steps_;  // done, by picture
  std::map<uint32_t, Image> pictures_;  // the newest of each, scaled to a tile
  std::vector<std::string> drawn_;      // the last frame
};

// The same for what is no terminal: a line, without line break, for events that are worth one. `count`:
// pictures asked for.
std::optional<std::string> PlainLine(const v1::GenerationEvent& event, uint32_t count);

}  // namespace easel
