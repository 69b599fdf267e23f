#include "client/cli/output_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace easel {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A new, empty directory of the test's own.
fs::path Directory() {
  std::string pattern = fs::path(testing::TempDir()) / "output_XXXXXX";
  return mkdtemp(pattern.data());
}

std::string Contents(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

size_t FilesIn(const fs::path& directory) {
  return std::distance(fs::directory_iterator(directory), fs::directory_iterator());
}

TEST(OutputFiles, SeveralPicturesAreNumbered) {
  EXPECT_EQ(NumberedPath("a.png", 0, 1), "a.png");
  EXPECT_EQ(NumberedPath("a.png", 0, 2), "a-0.png");
  EXPECT_EQ(NumberedPath("d.x/a.b.png", 11, 12), "d.x/a.b-11.png");
  EXPECT_EQ(NumberedPath("/d/a", 1, 2), "/d/a-1");
}

TEST(OutputFiles, FormatsGoByExtension) {
  EXPECT_EQ(FormatOf("a.PNG"), v1::IMAGE_FORMAT_PNG);
  EXPECT_EQ(FormatOf("d.jpg/a"), v1::IMAGE_FORMAT_PNG);
  EXPECT_EQ(FormatOf("a.jpeg"), v1::IMAGE_FORMAT_JPEG);
  EXPECT_EQ(FormatOf("a.raw"), v1::IMAGE_FORMAT_RAW_RGB8);
  EXPECT_EQ(FormatOf("a.gif"), std::nullopt);
}

TEST(OutputFiles, DefaultNamesTakeNobodysPlace) {
  const fs::path before = fs::current_path();
  fs::current_path(Directory());
  EXPECT_EQ(FreePath(7, v1::IMAGE_FORMAT_JPEG), "easel-7.jpg");
  std::ofstream("easel-7.jpg") << "mine";
  EXPECT_EQ(FreePath(7, v1::IMAGE_FORMAT_JPEG), "easel-7-2.jpg");
  std::ofstream("easel-7-2.jpg") << "mine";
  EXPECT_EQ(FreePath(7, v1::IMAGE_FORMAT_JPEG), "easel-7-3.jpg");
  EXPECT_EQ(FreePath(7, v1::IMAGE_FORMAT_PNG), "easel-7.png");
  fs::current_path(before);
}

TEST(OutputFiles, WritesAndReplaces) {
  const fs::path directory = Directory();
  const std::string path = directory / "a.png";
  ASSERT_TRUE(CheckWritable(path).ok());
  EXPECT_EQ(FilesIn(directory), 0u);  // the check leaves nothing behind
  ASSERT_TRUE(WriteFile(path, "one").ok());
  ASSERT_TRUE(WriteFile(path, std::string("t\0o", 3)).ok());
  EXPECT_EQ(Contents(path), std::string("t\0o", 3));
  EXPECT_EQ(FilesIn(directory), 1u);
}

TEST(OutputFiles, ALinkStaysALink) {
  const fs::path directory = Directory();
  std::ofstream(directory / "target.png") << "old";
  fs::create_symlink("target.png", directory / "link.png");
  ASSERT_TRUE(WriteFile(directory / "link.png", "new").ok());
  EXPECT_TRUE(fs::is_symlink(directory / "link.png"));
  EXPECT_EQ(Contents(directory / "target.png"), "new");
}

TEST(OutputFiles, DevicesAreWrittenNotReplaced) {
  ASSERT_TRUE(CheckWritable("/dev/null").ok());
  ASSERT_TRUE(WriteFile("/dev/null", "x").ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_FALSE(WriteFile("/dev/full", "x").ok());
}

TEST(OutputFiles, ErrorsNameThePath) {
  const fs::path directory = Directory();
  for (const auto& check : {CheckWritable, +[](const std::string& path) { return WriteFile(path, "x"); }}) {
    const absl::Status missing = check(directory / "no" / "a.png");
    EXPECT_THAT(std::string(missing.message()), HasSubstr((directory / "no" / "a.png").string()));
    EXPECT_FALSE(check("/proc/a.png").ok());
  }
  EXPECT_THAT(std::string(CheckWritable(directory).message()), HasSubstr("directory"));
}

}  // namespace
}  // namespace easel
