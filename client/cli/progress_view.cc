#include "client/cli/progress_view.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/half_blocks.h"
#include "server/image/image_codec.h"
#include "server/image/png.h"

namespace easel {
namespace {

constexpr int kLargestTile = 64;
constexpr int kSmallestTile = 16;
constexpr int kBarCells = 30;

std::string Waiting(const v1::Queued& queued) {
  std::string text = queued.position() == 0 ? "waiting, next in turn"
                     : queued.position() == 1
                         ? "waiting, 1 picture ahead"
                         : absl::StrCat("waiting, ", queued.position(), " pictures ahead");
  if (queued.has_estimated_wait_seconds())
    absl::StrAppendFormat(&text, ", about %.1f s", queued.estimated_wait_seconds());
  return text;
}

}  // namespace

std::optional<Image> PixelsOf(v1::ImageFormat format, uint32_t width, uint32_t height,
                              const std::string& data) {
  if (format == v1::IMAGE_FORMAT_PNG) {
    auto decoded = DecodePng(data);
    if (!decoded.ok()) return std::nullopt;
    return std::move(decoded->image);
  }
  const uint64_t size = uint64_t{width} * height * 3;
  if (format != v1::IMAGE_FORMAT_RAW_RGB8 || size == 0 || data.size() != size) return std::nullopt;
  return Image{.width = static_cast<int>(width),
               .height = static_cast<int>(height),
               .rgb = {data.begin(), data.end()}};
}

int ProgressView::TileSize(const Terminal& terminal, uint32_t count) {
  const int by_height = 2 * (terminal.rows - 3);  // the bar, and the line a prompt stood on
  const int by_width = static_cast<int>(terminal.columns / std::max(1u, count)) - 1;
  return std::clamp(std::min(by_height, std::max(by_width, kSmallestTile)), 1,
                    std::max(1, std::min(kLargestTile, terminal.columns - 1)));
}

void ProgressView::Apply(const v1::GenerationEvent& event, double now) {
  switch (event.event_case()) {
    case v1::GenerationEvent::kQueued:
      waiting_ = Waiting(event.queued());
      started_.reset();  // it may have been: the call was tried again
      break;
    case v1::GenerationEvent::kStarted:
      started_ = now;
      count_ = std::max(1u, event.started().parameters().num_images());
      steps_each_ = event.started().parameters().num_inference_steps();
      break;
    case v1::GenerationEvent::kProgress:
      steps_[event.image_index()] = event.progress().step();
      steps_each_ = event.progress().total();
      break;
    case v1::GenerationEvent::kPreview:
    case v1::GenerationEvent::kImage: {
      const bool finished = event.has_image();
      if (finished) steps_[event.image_index()] = steps_each_;
      if (finished) ++finished_;
      if (!terminal_.pictures) break;
      const std::optional<Image> image = finished
                                             ? PixelsOf(event.image().format(), event.image().width(),
                                                        event.image().height(), event.image().chunk())
                                             : PixelsOf(event.preview().format(), event.preview().width(),
                                                        event.preview().height(), event.preview().data());
      // A finished picture takes a preview's place; where none were asked for, there is nothing to see.
      if (image.has_value() && (!finished || pictures_.contains(event.image_index()))) {
        pictures_[event.image_index()] = Shrink(*image, TileSize(terminal_, count_));
      }
      break;
    }
    default:
      break;
  }
}

std::vector<std::string> ProgressView::PictureLines() const {
  std::vector<std::string> lines;
  int column = 0;
  for (const auto& [index, picture] : pictures_) {
    if (column + picture.width >= terminal_.columns) break;
    const std::vector<std::string> tile = HalfBlocks(picture);
    if (lines.size() < tile.size()) lines.resize(tile.size(), std::string(column, ' '));
    for (size_t i = 0; i < lines.size(); ++i) {
      absl::StrAppend(&lines[i], i < tile.size() ? tile[i] : std::string(picture.width, ' '), " ");
    }
    column += picture.width + 1;
  }
  return lines;
}

std::string ProgressView::Bar(double now) const {
  if (!started_.has_value()) return waiting_;
  uint32_t done = 0;
  for (const auto& [index, steps] : steps_) done += steps;
  const uint32_t total = std::max(done, count_ * steps_each_);
  const double seconds = now - *started_;
  const double rate = seconds > 0 ? done / seconds : 0;

  std::string figures = absl::StrCat(" ", done, "/", total);
  if (count_ > 1) absl::StrAppend(&figures, " steps, ", finished_, "/", count_, " pictures");
  if (rate > 0) absl::StrAppendFormat(&figures, "  %.3g steps/s  %.1f s left", rate, (total - done) / rate);
  const int room = terminal_.columns - 1 - static_cast<int>(figures.size()) - 2;
  const int cells = std::min(kBarCells, room);
  if (cells < 4) return figures.substr(1, std::max(0, terminal_.columns - 1));
  const int filled = total == 0 ? 0 : static_cast<int>(static_cast<uint64_t>(cells) * done / total);
  std::string bar = "[";
  for (int i = 0; i < cells; ++i) bar += i < filled ? "█" : " ";
  return absl::StrCat(bar, "]", figures);
}

std::vector<std::string> ProgressView::Frame(double now) const {
  std::vector<std::string> lines = PictureLines();
  lines.push_back(Bar(now));
  return lines;
}

// Line by line over the old frame, and only those that changed: nothing flickers, and little goes over a slow
// line.
std::string ProgressView::Replace(std::vector<std::string> lines) {
  std::string out = "\r";
  if (drawn_.size() > 1) absl::StrAppend(&out, "\x1b[", drawn_.size() - 1, "A");
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out += "\n";
    if (i >= drawn_.size() || drawn_[i] != lines[i]) absl::StrAppend(&out, lines[i], "\x1b[K");
  }
  drawn_ = std::move(lines);
  return out + "\x1b[J";
}

std::string ProgressView::Redraw(double now) { return Replace(Frame(now)); }

std::string ProgressView::Finish() {
  if (drawn_.empty()) return "";
  std::vector<std::string> lines = PictureLines();
  lines.push_back("");
  std::string out = Replace(std::move(lines));
  drawn_.clear();
  return out;
}

std::optional<std::string> PlainLine(const v1::GenerationEvent& event, uint32_t count) {
  if (event.has_queued()) return Waiting(event.queued());
  if (event.has_started()) return absl::StrCat("started on ", event.started().device());
  if (!event.has_progress()) return std::nullopt;
  // About ten lines a picture, however many steps it has.
  const uint64_t step = event.progress().step(), total = std::max(1u, event.progress().total());
  if (step == 0 || step * 10 / total == (step - 1) * 10 / total) return std::nullopt;
  return absl::StrCat(count > 1 ? absl::StrCat("picture ", event.image_index() + 1, "/", count, ": ") : "",
                      "step ", step, "/", total);
}

}  // namespace easel
