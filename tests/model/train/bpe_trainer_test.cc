// A vocabulary learnt from a few lines: its layout, its merges, and that ClipTokenizer reads it.
#include "model/train/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/conditioning/clip_tokenizer.h"
#include "tests/model/io/temporary_directory.h"

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "low" five times, "lower" twice, "new" six times.
const std::vector<std::string> kLines = {"low low low low low", "Lower lower", "new new new new new new"};

TEST(BpeTrainer, MergesTheMostFrequentPairsFirst) {
  TemporaryDirectory directory;
  ASSERT_TRUE(TrainBpe(kLines, 512 + 4 + 2, 10, directory.path()).ok());
  // Seven of "l o", six of "e w</w>" and, once that is one, of "n ew</w>"; then five of "lo w</w>".
  EXPECT_EQ(ReadAll(directory.Path("merges.txt")), "#version: 0.2\nl o\ne w</w>\nn ew</w>\nlo w</w>\n");
}

TEST(BpeTrainer, WritesWhatClipTokenizerReads) {
  TemporaryDirectory directory;
  ASSERT_TRUE(TrainBpe(kLines, 512 + 4 + 2, 10, directory.Path("a/tokenizer")).ok());
  const auto tokenizer = ClipTokenizer::Load(directory.Path("a/tokenizer"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 518);
  // Bytes from `!` on, then at a word's end, then the four merges, start and end.
  EXPECT_THAT((*tokenizer)->Tokenize("NEW low! b").ids,
              ElementsAre(516, 514, 515, 256, 256 + 'b' - '!', 517, 517, 517, 517, 517));
  EXPECT_THAT((*tokenizer)->Tokenize("lob").ids,
              ElementsAre(516, 512, 256 + 'b' - '!', 517, 517, 517, 517, 517, 517, 517));
}

TEST(BpeTrainer, DoesNotDependOnTheOrderOfLines) {
  TemporaryDirectory directory;
  ASSERT_TRUE(TrainBpe(kLines, 520, 10, directory.Path("a")).ok());
  ASSERT_TRUE(TrainBpe({kLines[2], kLines[0], kLines[1]}, 520, 10, directory.Path("b")).ok());
  for (const char* name : {"/vocab.json", "/merges.txt", "/tokenizer_config.json"}) {
    EXPECT_EQ(ReadAll(directory.Path("a") + name), ReadAll(directory.Path("b") + name)) << name;
  }
}

TEST(BpeTrainer, RefusesASizeThatTheTextCannotFill) {
  TemporaryDirectory directory;
  EXPECT_THAT(TrainBpe(kLines, 1000, 10, directory.path()).message(), HasSubstr("needs more text"));
  EXPECT_THAT(TrainBpe(kLines, 513, 10, directory.path()).message(), HasSubstr("least is 514"));
  EXPECT_THAT(directory.Names(), ElementsAre());
}

}  // namespace
}  // namespace easel
