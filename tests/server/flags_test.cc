// What flags, variables and --config FILE add up to. The flags are those that the parser's own help tells,
// each with values by the kind that it shows: none is listed here.
#include "server/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace easel {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Outcome {
  std::variant<Flags, ExitCode> parsed;
  std::string out, err;

  int code() const { return std::holds_alternative<ExitCode>(parsed) ? std::get<ExitCode>(parsed) : -1; }
};

Outcome Parse(std::vector<std::string> words) {
  words.insert(words.begin(), "easeld");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  std::ostringstream out, err;
  auto parsed = ParseFlags(static_cast<int>(argv.size()), argv.data(), out, err);
  return {std::move(parsed), out.str(), err.str()};
}

// What --print-config prints.
std::string Printed(std::vector<std::string> words) {
  words.push_back("--print-config");
  const Outcome outcome = Parse(words);
  EXPECT_EQ(outcome.code(), kExitClean) << outcome.err;
  return outcome.out;
}

struct Flag {
  std::string name, shown, variable;  // "max-queue", "N", "EASEL_MAX_QUEUE"; nothing shown: a switch
};

// Of the group that the help calls Flags: settings. The others (--help, --check) are acts.
std::vector<Flag> AllFlags() {
  std::vector<Flag> flags;
  const std::string help = Parse({"--help"}).out;
  const std::regex line(R"(\n  --([a-z-]+)( \[NAME=\]DIR| [^ =\n]+)?[^\n]*\(Env:([A-Z_]+)\))");
  for (std::sregex_iterator at(help.begin(), help.end(), line), end; at != end; ++at) {
    flags.push_back({(*at)[1], std::string(absl::StripAsciiWhitespace((*at)[2].str())), (*at)[3]});
  }
  return flags;
}

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    for (const Flag& flag : flags_) unsetenv(flag.variable.c_str());
    unsetenv("EASEL_CONFIG");
    std::filesystem::create_directories(directory_);
  }
  ~FlagsTest() override {
    for (const Flag& flag : flags_) unsetenv(flag.variable.c_str());
    std::filesystem::remove_all(directory_);
  }

  std::string Write(const std::string& text) {
    const std::string path = absl::StrCat(directory_, "/", ++files_, ".toml");
    std::ofstream(path) << text;
    return path;
  }

  // The `i`th value of a flag, i in 0 … 2, other than its default and as --print-config tells it.
  std::string Value(const Flag& flag, int i) {
    if (flag.shown.empty()) return i == 1 ? "false" : "true";
    if (flag.shown == "N") return absl::StrCat(i + 3);
    if (flag.shown == "SECONDS") return absl::StrCat(i, ".5");
    if (flag.shown == "HOST:PORT") return absl::StrCat("127.0.0.", i + 2, ":4000");
    if (flag.shown == "DEVICE") return absl::StrCat("cuda:", i);
    if (flag.shown == "FILE" || flag.shown == "[NAME=]DIR") return absl::StrCat(directory_, "/", i);
    const std::vector<std::string> choices = absl::StrSplit(flag.shown, '|');
    EXPECT_GE(choices.size(), 2) << "--" << flag.name << " takes " << flag.shown
                                 << ": give this test values of that kind";
    return choices[i % choices.size()];
  }

  std::vector<std::string> AsWords(int i) {
    std::vector<std::string> words;
    for (const Flag& flag : flags_) words.push_back(absl::StrCat("--", flag.name, "=", Value(flag, i)));
    return words;
  }
  void SetVariables(int i) {
    for (const Flag& flag : flags_) setenv(flag.variable.c_str(), Value(flag, i).c_str(), /*overwrite=*/1);
  }
  // A file that says them, all values but switches as text.
  std::string AsFile(int i) {
    std::string text;
    for (const Flag& flag : flags_) {
      const std::string quote = flag.shown.empty() ? "" : "'";
      absl::StrAppend(&text, flag.name, " = ", quote, Value(flag, i), quote, "\n");
    }
    return Write(text);
  }

  const std::vector<Flag> flags_ = AllFlags();
  const std::string directory_ = absl::StrCat(::testing::TempDir(), "flags_test.", getpid());
  int files_ = 0;
};

TEST_F(FlagsTest, EveryFlagIsAVariableAndAKey) {
  ASSERT_GT(flags_.size(), 20);
  const std::string help = Parse({"--help"}).out;
  const std::string settings = help.substr(help.find("\nFlags:"));
  const std::regex flag(R"(\n  --)");
  EXPECT_EQ(std::distance(std::sregex_iterator(settings.begin(), settings.end(), flag), {}), flags_.size());
  for (const Flag& each : flags_) {
    EXPECT_EQ(each.variable, "EASEL_" + absl::AsciiStrToUpper(absl::StrReplaceAll(each.name, {{"-", "_"}})));
  }
  const std::string by_flags = Printed(AsWords(0));
  const std::string by_file = Printed({"--config", AsFile(0)});
  SetVariables(0);
  const std::string by_variables = Printed({});
  EXPECT_EQ(by_file, by_flags);
  EXPECT_EQ(by_variables, by_flags);
  for (const Flag& each : flags_)
    EXPECT_THAT(by_flags, HasSubstr(absl::StrCat("\n", each.name, " = "))) << by_flags;
}

TEST_F(FlagsTest, ASlashAtTheEndIsNoPartOfAModelsName) {
  for (const std::string& there : {directory_, absl::StrCat(directory_, "/not-there")}) {
    const Outcome outcome = Parse({"--model", there + "/"});
    ASSERT_TRUE(std::holds_alternative<Flags>(outcome.parsed)) << outcome.err;
    EXPECT_EQ(std::get<Flags>(outcome.parsed).load.models[0].name, std::filesystem::path(there).filename());
  }
}

TEST_F(FlagsTest, NoRequestMayAskForMorePicturesThanCouldEverBeAccepted) {
  const auto max_images = [](std::vector<std::string> words) {
    return std::get<Flags>(Parse(std::move(words)).parsed).app.limits.max_images;
  };
  EXPECT_EQ(max_images({}), 16);
  EXPECT_EQ(max_images({"--max-queue", "3"}), 3);
  EXPECT_EQ(max_images({"--max-tenant-jobs", "2"}), 2);
  EXPECT_EQ(max_images({"--max-tenant-jobs", "20"}), 16);
}

// Not the next word, as CLI11 has it.
TEST_F(FlagsTest, AnEmptyValueIsAValue) {
  const Outcome outcome = Parse({"--tls-cert=", "--max-queue", "3"});
  ASSERT_EQ(outcome.code(), -1) << outcome.err;
  EXPECT_EQ(std::get<Flags>(outcome.parsed).app.secrets.tls.cert, "");
  EXPECT_EQ(std::get<Flags>(outcome.parsed).engine.max_queue, 3);
  const Outcome refused = Parse({"--max-queue=", "3"});
  EXPECT_EQ(refused.code(), kExitUsage);
  EXPECT_THAT(refused.err, HasSubstr("--max-queue: '' is not a whole number"));
}

TEST_F(FlagsTest, ASwitchIsTrueOrFalse) {
  for (const char* text : {"maybe", "si"}) {
    setenv("EASEL_LOG_PROMPTS", text, 1);
    const Outcome refused = Parse({});
    EXPECT_EQ(refused.code(), kExitUsage);
    EXPECT_THAT(refused.err,
                HasSubstr(absl::StrCat("--log-prompts: '", text, "' is neither true nor false")));
  }
}

TEST_F(FlagsTest, FlagBeforeVariableBeforeFileBeforeDefault) {
  const std::string file = AsFile(2);
  const std::string of_file = Printed({"--config", file});
  const std::string of_flags = Printed(AsWords(0)), of_second = Printed(AsWords(1));
  SetVariables(1);
  EXPECT_EQ(Printed({"--config", file}), of_second);
  setenv("EASEL_CONFIG", file.c_str(), 1);
  std::vector<std::string> words = AsWords(0);
  EXPECT_EQ(Printed(words), of_flags);
  for (const Flag& flag : flags_) unsetenv(flag.variable.c_str());
  EXPECT_EQ(Printed({}), of_file);
  EXPECT_NE(of_file, of_flags);
}

TEST_F(FlagsTest, WhatIsPrintedGivesTheSame) {
  for (int i = 0; i < 3; ++i) {
    const std::string all = Printed(AsWords(i));
    EXPECT_EQ(Printed({"--config", Write(all)}), all);
  }
  for (const Flag& flag : flags_) {
    const std::string one = Printed({absl::StrCat("--", flag.name, "=", Value(flag, 0))});
    EXPECT_EQ(Printed({"--config", Write(one)}), one) << flag.name;
  }
  const std::string nothing = Printed({});
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(nothing, '\n', absl::SkipEmpty()))) {
    EXPECT_EQ(line[0], '#') << line;
  }
  for (const Flag& flag : flags_) EXPECT_THAT(nothing, HasSubstr(absl::StrCat("\n# ", flag.name, ": ")));
  EXPECT_EQ(Printed({"--config", Write(nothing)}), nothing);
}

TEST_F(FlagsTest, WhateverTextAFlagHasComesBackFromWhatIsPrinted) {
  const std::vector<std::string> pieces = {"a", "#",  "\"", "'", "\\", "\n", " ",  "=",  "[",    "]",   "{",
                                           "é", "図", "\t", "5", "0",  ".5", "e6", "::", "\x01", "\\u", "//"};
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string text = "x";
    if (round % 3 == 0) text.clear();
    for (int i = 1 + static_cast<int>(random() % 6); i > 0; --i) text += pieces[random() % pieces.size()];
    const std::vector<std::string> words = {"--step-times=" + text, "--model=one=/" + text,
                                            "--model=two=/" + text};
    const Outcome given = Parse(words);
    const Outcome again = Parse({"--config", Write(Printed(words))});
    ASSERT_EQ(again.code(), -1) << again.err << Printed(words);
    const auto& [flags, read] = std::tie(std::get<Flags>(given.parsed), std::get<Flags>(again.parsed));
    EXPECT_EQ(flags.step_times, text);
    EXPECT_EQ(read.step_times, text);
    ASSERT_EQ(read.load.models.size(), 2) << Printed(words);
    EXPECT_EQ(read.load.models[0].name, "one");
    EXPECT_EQ(read.load.models[0].directory, "/" + text);
    EXPECT_EQ(read.load.models[1].directory, "/" + text);
  }
}

TEST_F(FlagsTest, NumbersMayBeNumbers) {
  const Outcome read =
      Parse({"--config", Write("max-queue = 1_000 # many\ndrain-timeout = 2.5\nreflection = true\n"
                               "keep-results = 1e3\nlog-prompts = false\nworkers = 0x2\n")});
  ASSERT_EQ(read.code(), -1) << read.err;
  const Flags& flags = std::get<Flags>(read.parsed);
  EXPECT_EQ(flags.engine.max_queue, 1000);
  EXPECT_EQ(flags.drain_timeout, absl::Seconds(2.5));
  EXPECT_EQ(flags.app.keep.keep, absl::Seconds(1000));
  EXPECT_EQ(flags.load.workers, 2);
  EXPECT_TRUE(flags.app.reflection);
  EXPECT_FALSE(flags.log.prompts);
}

TEST_F(FlagsTest, MistakesInAFileAreToldWithFileLineAndKey) {
  for (const auto& [text, told] : std::vector<std::pair<std::string, std::string>>{
           {"max-queue = 7\nmax-kew = 8\n", "1.toml, line 2: max-kew: is no key"},
           {"max-queue = 7\n\nlisten = [\n", "1.toml, line "},
           {"max-queue = 7\nmax-queue = 8\n", "1.toml, line 2: "},
           {"reflection = maybe\n", "1.toml, line 1: "},
           {"\n[limits]\nmax-queue = 7\n", "1.toml, line 2: limits: is no key"},
           {"max_queue = 7\n", "1.toml, line 1: max_queue: is no key"},
           {"[max-queue]\nlimit = 7\n", "1.toml, line 1: max-queue: takes text"},
           {"max-queue = 2024-01-01\n", "1.toml, line 1: max-queue: takes text"},
           {"model = []\n", "1.toml, line 1: model: has an empty list"},
           {"model = [['a']]\n", "1.toml, line 1: model: takes text"},
           {"max-queue = [1, 2]\n", "max-queue"},
           {"max-queue = 0\n", "--max-queue"},
           {"listen = 'a\xff:1'\n", "1.toml, line 1: "},
           {"check = true\n", "check: is no key"},
           {"print-config = true\n", "print-config: is no key"},
           {"config = 'other.toml'\n", "config: is no key"},
       }) {
    files_ = 0;
    const Outcome outcome = Parse({"--config", Write(text)});
    EXPECT_EQ(outcome.code(), kExitUsage) << text;
    EXPECT_THAT(outcome.err, HasSubstr(told)) << text;
  }
}

TEST_F(FlagsTest, AMistakeIsToldInsteadOfPrinted) {
  const Outcome outcome = Parse({"--print-config", "--model", "a=./x", "--model", "a=./y"});
  EXPECT_EQ(outcome.code(), kExitUsage);
  EXPECT_THAT(outcome.out, IsEmpty());
  const Outcome bytes = Parse({"--print-config", "--step-times", "a\xff"});
  EXPECT_EQ(bytes.code(), kExitUsage);
  EXPECT_THAT(bytes.err, HasSubstr("--step-times: is no UTF-8"));
}

}  // namespace
}  // namespace easel
