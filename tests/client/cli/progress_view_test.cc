#include "client/cli/progress_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/half_blocks.h"
#include "server/image/png.h"
#include "tests/client/fake_server.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Terminal kPlainTerminal{.interactive = true, .pictures = false, .columns = 80, .rows = 24};
const Terminal kPictureTerminal{.interactive = true, .pictures = true, .columns = 80, .rows = 24};

// Width × height pixels of one grey.
std::string Grey(int width, int height, char value) { return std::string(width * height * 3, value); }

// The text without colours and cursor moves.
std::string Visible(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      while (i < text.size() && !std::isalpha(static_cast<unsigned char>(text[i]))) ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

size_t Cells(const std::string& text) {
  size_t cells = 0;
  for (const char c : Visible(text)) cells += (c & 0xc0) != 0x80;
  return cells;
}

TEST(HalfBlocks, TwoRowsALine) {
  const Image image{.width = 2,
                    .height = 3,
                    .rgb = {1, 2, 3, 1, 2, 3,  //
                            4, 5, 6, 7, 8, 9,  //
                            9, 9, 9, 0, 0, 0}};
  EXPECT_THAT(HalfBlocks(image), ElementsAre("\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m▀\x1b[48;2;7;8;9m▀\x1b[0m",
                                             "\x1b[38;2;9;9;9m▀\x1b[38;2;0;0;0m▀\x1b[0m"));
}

TEST(ProgressView, WaitsAgainWhenTheCallIsTriedAgain) {
  ProgressView view(kPlainTerminal);
  view.Apply(StartedEvent(1, 30), 100);
  v1::GenerationEvent queued;
  queued.mutable_queued()->set_position(0);
  view.Apply(queued, 101);
  EXPECT_THAT(view.Frame(102), ElementsAre("waiting, next in turn"));
  view.Apply(StartedEvent(1, 30), 103);
  EXPECT_THAT(view.Frame(103), ElementsAre("[                              ] 0/30"));
}

TEST(ProgressView, WaitsThenShowsRateAndTimeLeft) {
  ProgressView view(kPlainTerminal);
  v1::GenerationEvent queued;
  queued.mutable_queued()->set_position(3);
  queued.mutable_queued()->set_estimated_wait_seconds(2.14);
  view.Apply(queued, 100);
  EXPECT_THAT(view.Frame(100), ElementsAre("waiting, 3 pictures ahead, about 2.1 s"));
  view.Apply(StartedEvent(1, 30), 102);
  EXPECT_THAT(view.Frame(102), ElementsAre("[                              ] 0/30"));
  view.Apply(ProgressEvent(0, 10, 30), 104);
  EXPECT_THAT(view.Frame(104), ElementsAre("[██████████                    ] 10/30  5 steps/s  4.0 s left"));
}

TEST(ProgressView, SeveralPicturesShareOneBar) {
  ProgressView view(kPlainTerminal);
  view.Apply(StartedEvent(2, 10), 0);
  view.Apply(ProgressEvent(0, 5, 10), 1);
  view.Apply(ProgressEvent(1, 5, 10), 1);
  view.Apply(ImageEvent(0, 7, "x"), 2);
  EXPECT_THAT(view.Frame(2).back(), HasSubstr(" 15/20 steps, 1/2 pictures"));
}

TEST(ProgressView, NeverIsWiderThanTheTerminal) {
  for (int columns = 1; columns < 130; ++columns) {
    for (const int rows : {1, 2, 5, 24}) {
      for (const uint32_t count : {1u, 3u}) {
        ProgressView view({.interactive = true, .pictures = true, .columns = columns, .rows = rows});
        view.Apply(StartedEvent(count, 1000), 0);
        for (uint32_t i = 0; i < count; ++i) {
          view.Apply(ProgressEvent(i, 321, 1000), 3.21);
          view.Apply(PreviewEvent(i, 321, 64, 48, Grey(64, 48, 7)), 3.21);
        }
        for (const std::string& line : view.Frame(4)) {
          EXPECT_LE(Cells(line), static_cast<size_t>(std::max(columns, 1))) << columns << ": " << line;
        }
      }
    }
  }
}

TEST(ProgressView, PicturesFitTheScreen) {
  EXPECT_EQ(ProgressView::TileSize({.columns = 80, .rows = 24}, 1), 42);
  EXPECT_EQ(ProgressView::TileSize({.columns = 300, .rows = 100}, 1), 64);
  EXPECT_EQ(ProgressView::TileSize({.columns = 80, .rows = 24}, 4), 19);
  ProgressView view(kPictureTerminal);
  view.Apply(StartedEvent(1, 10), 0);
  view.Apply(PreviewEvent(0, 1, 128, 128, Grey(128, 128, 7)), 1);
  EXPECT_EQ(view.Frame(1).size(), 22u);  // 42 pixels, two a line, and the bar
  EXPECT_EQ(Cells(view.Frame(1)[0]), 43u);
}

TEST(ProgressView, PicturesStandSideBySide) {
  ProgressView view(kPictureTerminal);
  view.Apply(StartedEvent(2, 10), 0);
  view.Apply(PreviewEvent(1, 1, 2, 4, Grey(2, 4, 9)), 1);
  view.Apply(PreviewEvent(0, 1, 3, 2, Grey(3, 2, 7)), 1);
  const std::vector<std::string> frame = view.Frame(1);
  ASSERT_EQ(frame.size(), 3u);
  EXPECT_EQ(Visible(frame[0]), "▀▀▀ ▀▀ ");
  EXPECT_EQ(Visible(frame[1]), "    ▀▀ ");
}

TEST(ProgressView, WithoutColoursThereIsTheBarAlone) {
  ProgressView view(kPlainTerminal);
  view.Apply(StartedEvent(1, 10), 0);
  view.Apply(PreviewEvent(0, 1, 2, 2, Grey(2, 2, 7)), 1);
  EXPECT_EQ(view.Frame(1).size(), 1u);
}

TEST(ProgressView, TheFinishedPictureReplacesItsPreview) {
  ProgressView view(kPictureTerminal);
  view.Apply(StartedEvent(1, 10), 0);
  const std::string png = *EncodePng({.width = 2, .height = 2, .rgb = std::vector<uint8_t>(12, 200)}, "");
  view.Apply(ImageEvent(0, 7, png), 1);
  EXPECT_EQ(view.Frame(1).size(), 1u);  // no previews were asked for: no pictures
  view.Apply(PreviewEvent(0, 1, 2, 2, Grey(2, 2, 7)), 1);
  EXPECT_THAT(view.Frame(1)[0], HasSubstr("38;2;7;7;7"));
  view.Apply(ImageEvent(0, 7, png), 2);
  EXPECT_THAT(view.Frame(2)[0], HasSubstr("38;2;200;200;200"));
}

TEST(ProgressView, PicturesOfAWrongSizeAreLeftOut) {
  ProgressView view(kPictureTerminal);
  view.Apply(StartedEvent(1, 10), 0);
  view.Apply(PreviewEvent(0, 1, 2, 3, Grey(2, 2, 7)), 1);
  view.Apply(PreviewEvent(0, 1, 0, 0, ""), 1);
  view.Apply(PreviewEvent(0, 1, 4000000000u, 4000000000u, "x"), 1);
  EXPECT_EQ(view.Frame(1).size(), 1u);
}

TEST(ProgressView, RedrawsInPlaceAndLeavesThePicture) {
  ProgressView view(kPictureTerminal);
  view.Apply(StartedEvent(1, 10), 0);
  EXPECT_THAT(view.Redraw(0), Not(HasSubstr("A")));  // nothing to go up over
  view.Apply(PreviewEvent(0, 1, 2, 4, Grey(2, 4, 7)), 1);
  const std::string second = view.Redraw(1);
  EXPECT_THAT(second, Not(HasSubstr("\x1b[1A")));
  view.Apply(ProgressEvent(0, 1, 10), 2);
  const std::string third = view.Redraw(2);
  EXPECT_EQ(third.rfind("\r\x1b[2A\n\n[███", 0), 0u)
      << third;  // up over three lines, and only the bar is new
  const std::string last = view.Finish();
  EXPECT_EQ(last, "\r\x1b[2A\n\n\x1b[K\x1b[J");  // the picture stays; an empty line where the bar was
  EXPECT_EQ(view.Finish(), "");
}

TEST(PlainLine, SaysWhatMattersAboutTenTimes) {
  EXPECT_EQ(PlainLine(StartedEvent(), 1), "started on cpu");
  EXPECT_EQ(PlainLine(ProgressEvent(0, 3, 30), 1), "step 3/30");
  EXPECT_EQ(PlainLine(ProgressEvent(0, 4, 30), 1), std::nullopt);
  EXPECT_EQ(PlainLine(ProgressEvent(1, 30, 30), 4), "picture 2/4: step 30/30");
  EXPECT_EQ(PlainLine(ProgressEvent(0, 1, 1), 1), "step 1/1");
  EXPECT_EQ(PlainLine(ProgressEvent(0, 0, 0), 1), std::nullopt);
  EXPECT_EQ(PlainLine(DoneEvent(), 1), std::nullopt);
  int lines = 0;
  for (uint32_t step = 1; step <= 1000; ++step)
    lines += PlainLine(ProgressEvent(0, step, 1000), 1).has_value();
  EXPECT_EQ(lines, 10);
}

}  // namespace
}  // namespace easel
