#include "client/cli/generate_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/image/png.h"
#include "tests/client/cli/cancel_at_first_line.h"
#include "tests/client/cli/command_test.h"
#include "tests/client/fake_server.h"

namespace easel {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class GenerateCommand : public CommandTest {
 protected:
  int Run(FakeServer& server, std::vector<std::string> words, const Terminal& terminal = {}) {
    words.insert(words.begin(), "generate");
    auto parsed = ParseArguments(words);
    if (const auto* leave = std::get_if<Leave>(&parsed)) {
      ADD_FAILURE() << leave->text;
      return leave->exit_code;
    }
    const auto client = server.Client();
    return RunGenerate(std::get<Arguments>(parsed), *client, terminal, out_, err_);
  }
};

TEST_F(GenerateCommand, WritesThePictureAndSaysSo) {
  FakeServer server(Send({StartedEvent(), ProgressEvent(0, 1, 2), ProgressEvent(0, 2, 2),
                          ImageEvent(0, 7, "PNG"), DoneEvent()}));
  EXPECT_EQ(Run(server, {"red", "apple", "-o", Path("a.png")}), 0) << err_.str();
  EXPECT_EQ(Contents("a.png"), "PNG");
  EXPECT_EQ(out_.str(), "wrote " + Path("a.png") + " (2x2, seed 7)\n");
  EXPECT_EQ(err_.str(),
            "started on cpu\nstep 1/2\nstep 2/2\ndone: 2 steps in 0.00 s, of which 0.00 s waiting\n");
  EXPECT_EQ(server.requests()[0].prompt(), "red apple");
  EXPECT_FALSE(server.requests()[0].has_preview());
}

TEST_F(GenerateCommand, SeveralPicturesAreNumbered) {
  FakeServer server(
      Send({StartedEvent(2), ImageEvent(1, 8, "second"), ImageEvent(0, 7, "first"), DoneEvent()}));
  EXPECT_EQ(Run(server, {"-n", "2", "-o", Path("a.png")}), 0) << err_.str();
  EXPECT_EQ(Contents("a-0.png"), "first");
  EXPECT_EQ(Contents("a-1.png"), "second");
  EXPECT_EQ(server.requests()[0].num_images(), 2u);
}

TEST_F(GenerateCommand, StdoutGetsThePictureAndNothingElse) {
  FakeServer server(Send({StartedEvent(), ImageEvent(0, 7, std::string("P\0NG", 4)), DoneEvent()}));
  EXPECT_EQ(Run(server, {"-o", "-"}), 0);
  EXPECT_EQ(out_.str(), std::string("P\0NG", 4));
}

TEST_F(GenerateCommand, WithoutOutputTheSeedNamesIt) {
  const fs::path before = fs::current_path();
  fs::current_path(directory_);
  FakeServer server(Send({StartedEvent(), ImageEvent(0, 7, "PNG"), DoneEvent()}));
  EXPECT_EQ(Run(server, {}), 0);
  EXPECT_EQ(Run(server, {}), 0);
  fs::current_path(before);
  EXPECT_EQ(out_.str(), "wrote easel-7.png (2x2, seed 7)\nwrote easel-7-2.png (2x2, seed 7)\n");
  EXPECT_EQ(Contents("easel-7-2.png"), "PNG");
}

TEST_F(GenerateCommand, NothingIsSentWhenThereIsNoPlaceForIt) {
  FakeServer server(Send({StartedEvent(), DoneEvent()}));
  EXPECT_EQ(Run(server, {"-o", Path("no/a.png")}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("cannot write " + Path("no/a.png")));
  EXPECT_EQ(Run(server, {"-o", "/dev/null/a.png"}), 1);
  EXPECT_EQ(Run(server, {"-o", Path("a.png"), "--preview-dir", "/dev/null/p"}), 1);
  EXPECT_EQ(Run(server, {"-o", Path("a.png"), "--like", Path("missing.png")}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("missing.png: No such file"));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(GenerateCommand, RefusalsLeaveWhatWasThere) {
  std::ofstream(Path("a.png")) << "old";
  FakeServer server(Send({}, grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full")));
  EXPECT_EQ(Run(server, {"-o", Path("a.png")}), 1);
  EXPECT_EQ(err_.str(), "easel: RESOURCE_EXHAUSTED: the queue is full\n");
  EXPECT_EQ(Contents("a.png"), "old");
}

TEST_F(GenerateCommand, PicturesThatCameBeforeAFailureAreKept) {
  FakeServer server(
      Send({StartedEvent(2), ImageEvent(0, 7, "first")}, grpc::Status(grpc::StatusCode::INTERNAL, "broken")));
  EXPECT_EQ(Run(server, {"-n", "2", "-o", Path("a.png")}), 1);
  EXPECT_EQ(Contents("a-0.png"), "first");
}

TEST_F(GenerateCommand, APictureThatCannotBeWrittenIsAFailure) {
  FakeServer server(Send({StartedEvent(), ImageEvent(0, 7, "PNG"), DoneEvent()}));
  EXPECT_EQ(Run(server, {"-o", "/dev/full", "--format", "png"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("cannot write /dev/full"));
}

TEST_F(GenerateCommand, JsonIsOneEventALine) {
  FakeServer server(Send({StartedEvent(), ProgressEvent(0, 1, 2), PreviewEvent(0, 1, 1, 1, "RGB"),
                          ImageEvent(0, 7, "PNG"), DoneEvent()}));
  EXPECT_EQ(Run(server, {"--json", "--preview", "1", "-o", Path("a.png")}), 0);
  std::istringstream lines(out_.str());
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  ASSERT_EQ(all.size(), 5u) << out_.str();
  EXPECT_THAT(all[0], HasSubstr("\"started\""));
  EXPECT_THAT(all[3], HasSubstr("\"file\":\"" + Path("a.png") + "\""));
  EXPECT_THAT(all[4], HasSubstr("\"steps_run\":2"));
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(server.requests()[0].preview().every_n_steps(), 1u);
}

TEST_F(GenerateCommand, PreviewsAreAskedForWhereTheyCanBeSeen) {
  FakeServer server(Send({StartedEvent(), ImageEvent(0, 7, "PNG"), DoneEvent()}));
  const Terminal pictures{.interactive = true, .pictures = true, .columns = 80, .rows = 24};
  const Terminal plain{.interactive = true, .pictures = false, .columns = 80, .rows = 24};
  Run(server, {"--preview", "2", "-o", Path("a.png")}, pictures);
  Run(server, {"--preview", "2", "-o", Path("a.png")}, plain);
  Run(server, {"--preview", "2", "-o", Path("a.png"), "--preview-dir", Path("p")}, plain);
  Run(server, {"--preview", "2", "-o", Path("a.png"), "--preview-method", "vapour"}, plain);
  const auto requests = server.requests();
  EXPECT_EQ(requests[0].preview().every_n_steps(), 2u);
  EXPECT_EQ(requests[0].preview().format(), v1::IMAGE_FORMAT_RAW_RGB8);
  EXPECT_EQ(requests[0].preview().max_size(), 42u);
  EXPECT_FALSE(requests[1].has_preview());
  EXPECT_TRUE(requests[2].has_preview());
  EXPECT_FALSE(requests[2].preview().has_max_size());
  EXPECT_EQ(requests[3].preview().method(), "vapour");  // for the server to refuse
}

TEST_F(GenerateCommand, PreviewDirectoryKeepsEveryPreview) {
  FakeServer server(Send({StartedEvent(), PreviewEvent(0, 1, 1, 1, "RGB"), PreviewEvent(0, 12, 1, 1, "rgb"),
                          ImageEvent(0, 7, "PNG"), DoneEvent()}));
  EXPECT_EQ(Run(server, {"-o", Path("a.png"), "--preview-dir", Path("deep/p")}), 0) << err_.str();
  const auto first = DecodePng(Contents("deep/p/image-0-step-0001.png"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->image.rgb, (std::vector<uint8_t>{'R', 'G', 'B'}));
  EXPECT_TRUE(fs::exists(Path("deep/p/image-0-step-0012.png")));
}

TEST_F(GenerateCommand, ATerminalGetsTheBarAndThenTheNames) {
  FakeServer server(Send({StartedEvent(), ProgressEvent(0, 1, 2), ImageEvent(0, 7, "PNG"), DoneEvent()}));
  EXPECT_EQ(
      Run(server, {"-o", Path("a.png")}, {.interactive = true, .pictures = false, .columns = 80, .rows = 24}),
      0);
  EXPECT_THAT(err_.str(), HasSubstr("█] 2/2"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("started on")));
  EXPECT_EQ(out_.str(), "wrote " + Path("a.png") + " (2x2, seed 7)\n");
}

TEST_F(GenerateCommand, WarningsAreTold) {
  v1::GenerationEvent started = StartedEvent();
  v1::Warning* warning = started.mutable_started()->add_warnings();
  warning->set_field("prompt");
  warning->set_message("12 tokens were cut");
  FakeServer server(Send({started, ImageEvent(0, 7, "PNG"), DoneEvent()}));
  EXPECT_EQ(Run(server, {"-o", Path("a.png")}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("warning: prompt: 12 tokens were cut\n"));
}

TEST_F(GenerateCommand, LikeMakesAPictureAgain) {
  std::ofstream(Path("old.png"), std::ios::binary) << *EncodePng(
      {.width = 1, .height = 1, .rgb = {1, 2, 3}},
      "a red apple\nSteps: 12, Sampler: heun, CFG scale: 4, Seed: 9, Size: 64x64, Model: emoji");
  std::ofstream(Path("bare.png"), std::ios::binary)
      << *EncodePng({.width = 1, .height = 1, .rgb = {1, 2, 3}}, "");
  FakeServer server(Send({StartedEvent(), ImageEvent(0, 7, "PNG"), DoneEvent()}));
  EXPECT_EQ(Run(server, {"-o", Path("a.png"), "--like", Path("old.png"), "--steps", "8"}), 0) << err_.str();
  const v1::GenerateRequest request = server.requests()[0];
  EXPECT_EQ(request.prompt(), "a red apple");
  EXPECT_EQ(request.seed(), 9u);
  EXPECT_EQ(request.num_inference_steps(), 8u);
  EXPECT_EQ(Run(server, {"-o", Path("a.png"), "--like", Path("bare.png")}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("bare.png does not say how it was made"));
}

// Ctrl-C cancels the call; on the server the generation goes on, or not, as was asked.
TEST_F(GenerateCommand, CtrlCTellsHowToComeBackToADetachedOne) {
  FakeServer server(SendWithoutEnd({StartedEvent()}));
  for (const bool detach : {true, false}) {
    std::vector<std::string> words = {"generate", "-o", Path("a.png")};
    if (detach) words.push_back("--detach-on-disconnect");
    const auto arguments = std::get<Arguments>(ParseArguments(words));
    const auto client = server.Client();
    CancelAtFirstLine err(client.get());
    EXPECT_EQ(RunGenerate(arguments, *client, {}, out_, err), 1);
    if (detach) {
      EXPECT_THAT(err.str(), HasSubstr("g1 goes on without you: `easel watch g1`"));
    } else {
      EXPECT_THAT(err.str(), HasSubstr("CANCELLED"));
      EXPECT_THAT(err.str(), Not(HasSubstr("goes on")));
    }
  }
}

TEST_F(GenerateCommand, TimeoutIsAFailure) {
  FakeServer server(SendWithoutEnd({StartedEvent()}));
  EXPECT_EQ(Run(server, {"-o", Path("a.png"), "--timeout", "0.05"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("DEADLINE_EXCEEDED"));
  EXPECT_FALSE(fs::exists(Path("a.png")));
}

}  // namespace
}  // namespace easel
