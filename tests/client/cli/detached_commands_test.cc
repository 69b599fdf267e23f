#include "client/cli/detached_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/client/cli/cancel_at_first_line.h"
#include "tests/client/cli/command_test.h"
#include "tests/client/fake_server.h"

namespace easel {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class DetachedCommands : public CommandTest {
 protected:
  int Run(const std::vector<std::string>& words) {
    const auto parsed = ParseArguments(words);
    if (const auto* leave = std::get_if<Leave>(&parsed)) {
      ADD_FAILURE() << leave->text;
      return leave->exit_code;
    }
    const Arguments& arguments = std::get<Arguments>(parsed);
    const auto client = server_.Client();
    out_.str("");
    err_.str("");
    switch (arguments.command) {
      case Arguments::Command::kSubmit:
        return RunSubmit(arguments, *client, out_, err_);
      case Arguments::Command::kWatch:
        return RunWatch(arguments, *client, {}, out_, err_);
      case Arguments::Command::kGet:
        return RunGet(arguments, *client, out_, err_);
      case Arguments::Command::kCancel:
        return RunCancel(arguments, *client, out_, err_);
      default:
        ADD_FAILURE();
        return -1;
    }
  }
  // What Submit, Get and Cancel answer.
  void Answer(v1::Generation generation) {
    generation.set_id("g1");
    server_.set_detached([generation](const std::string&, v1::Generation* response) {
      *response = generation;
      return grpc::Status::OK;
    });
  }

  FakeServer server_;
};

v1::Generation InState(v1::GenerationState state) {
  v1::Generation generation;
  generation.set_state(state);
  return generation;
}

v1::Generation Done(const std::vector<std::string>& pictures) {
  v1::Generation generation = InState(v1::GENERATION_STATE_DONE);
  for (size_t i = 0; i < pictures.size(); ++i) {
    v1::GeneratedImage* image = generation.add_images();
    image->set_index(static_cast<uint32_t>(i));
    image->set_seed(7 + i);
    image->set_format(v1::IMAGE_FORMAT_PNG);
    image->set_width(2);
    image->set_height(2);
    image->set_data(pictures[i]);
  }
  return generation;
}

TEST_F(DetachedCommands, SubmitPrintsTheIdAlone) {
  Answer(InState(v1::GENERATION_STATE_QUEUED));
  EXPECT_EQ(Run({"submit", "red", "apple", "--steps", "9", "--preview", "3"}), 0);
  EXPECT_EQ(out_.str(), "g1\n");
  EXPECT_THAT(err_.str(), HasSubstr("easel watch g1"));
  const v1::GenerateRequest request = server_.requests()[0];
  EXPECT_EQ(request.prompt(), "red apple");
  EXPECT_EQ(request.num_inference_steps(), 9u);
  EXPECT_EQ(request.preview().every_n_steps(), 3u);
  EXPECT_EQ(Run({"submit", "red", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["state"], "GENERATION_STATE_QUEUED");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(DetachedCommands, SubmitTellsARefusal) {
  server_.set_detached([](const std::string&, v1::Generation*) {
    return grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "order-17 is another request's");
  });
  EXPECT_EQ(Run({"submit", "red", "--request-id", "order-17"}), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(err_.str(), "easel: ALREADY_EXISTS: order-17 is another request's\n");
}

TEST_F(DetachedCommands, WatchShowsItAndWritesItsPictures) {
  server_.set_watch(Send({StartedEvent(2), ProgressEvent(0, 2, 2), PreviewEvent(1, 1, 1, 1, "RGB"),
                          ImageEvent(0, 7, "first"), ImageEvent(1, 8, "second"), DoneEvent()}));
  EXPECT_EQ(Run({"watch", "g1", "-o", Path("a.png"), "--preview-dir", Path("p")}), 0) << err_.str();
  EXPECT_EQ(Contents("a-0.png"), "first");
  EXPECT_EQ(Contents("a-1.png"), "second");
  EXPECT_TRUE(fs::exists(Path("p/image-1-step-0001.png")));
  EXPECT_THAT(err_.str(), HasSubstr("picture 1/2: step 2/2"));
  EXPECT_THAT(server_.asked(), ElementsAre("watch g1"));
}

TEST_F(DetachedCommands, WatchToStdoutTakesOnePictureOnly) {
  server_.set_watch(
      Send({StartedEvent(2), ImageEvent(0, 7, "first"), ImageEvent(1, 8, "second"), DoneEvent()}));
  EXPECT_EQ(Run({"watch", "g1", "-o", "-"}), 1);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("`-` takes one picture; there are 2"));
}

TEST_F(DetachedCommands, CtrlCInWatchLeavesTheGenerationRunning) {
  server_.set_watch(SendWithoutEnd({StartedEvent()}));
  const auto client = server_.Client();
  CancelAtFirstLine err(client.get());
  const auto arguments = std::get<Arguments>(ParseArguments({"watch", "g1", "-o", Path("a.png")}));
  EXPECT_EQ(RunWatch(arguments, *client, {}, out_, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("g1 goes on without you"));
  EXPECT_THAT(err.str(), Not(HasSubstr("CANCELLED")));
  EXPECT_THAT(server_.asked(), ElementsAre("watch g1"));  // and nothing was cancelled
}

// Another's `easel cancel` is not our Ctrl-C.
TEST_F(DetachedCommands, WatchTellsWhenItWasCancelled) {
  server_.set_watch(Send({StartedEvent()}, grpc::Status(grpc::StatusCode::CANCELLED, "CancelGeneration")));
  EXPECT_EQ(Run({"watch", "g1", "-o", Path("a.png")}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("easel: CANCELLED: CancelGeneration\n"));
}

TEST_F(DetachedCommands, GetTellsWhereItStands) {
  v1::Generation running = InState(v1::GENERATION_STATE_RUNNING);
  v1::PictureProgress* picture = running.add_progress();
  picture->set_image_index(1);
  picture->mutable_progress()->set_step(3);
  picture->mutable_progress()->set_total(20);
  Answer(running);
  EXPECT_EQ(Run({"get", "g1"}), 0);
  EXPECT_EQ(out_.str(), "g1: running\n  picture 1: step 3/20\n");

  v1::Generation queued = InState(v1::GENERATION_STATE_QUEUED);
  queued.mutable_queued()->set_position(4);
  queued.mutable_queued()->set_estimated_wait_seconds(2.5);
  Answer(queued);
  EXPECT_EQ(Run({"get", "g1"}), 0);
  EXPECT_EQ(out_.str(), "g1: queued\n  pictures ahead: 4, about 2.5 s\n");
}

TEST_F(DetachedCommands, GetOfAFailedOneFails) {
  v1::Generation failed = InState(v1::GENERATION_STATE_FAILED);
  failed.set_error_code(13);
  failed.set_error_message("a latent is not finite");
  Answer(failed);
  EXPECT_EQ(Run({"get", "g1"}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("g1: failed\n  INTERNAL: a latent is not finite\n"));
}

TEST_F(DetachedCommands, GetWritesThePictures) {
  Answer(Done({"first", "second"}));
  EXPECT_EQ(Run({"get", "g1", "-o", Path("a.png")}), 0) << err_.str();
  EXPECT_EQ(Contents("a-0.png"), "first");
  EXPECT_EQ(Contents("a-1.png"), "second");
  EXPECT_EQ(Run({"get", "g1", "-o", Path("a.png"), "--json"}), 0);
  const auto json = nlohmann::json::parse(out_.str());
  EXPECT_EQ(json["files"], (nlohmann::json{Path("a-0.png"), Path("a-1.png")}));
  EXPECT_EQ(json["images"][1]["seed"], "8");
  EXPECT_FALSE(json["images"][1].contains("data"));

  Answer(Done({"one"}));
  EXPECT_EQ(Run({"get", "g1", "-o", "-"}), 0);
  EXPECT_EQ(out_.str(), "one");
}

TEST_F(DetachedCommands, GetSaysWhatAMisnamedFileHolds) {
  Answer(Done({"one"}));
  EXPECT_EQ(Run({"get", "g1", "-o", Path("a.webp")}), 0);
  EXPECT_EQ(out_.str(), "wrote " + Path("a.webp") + " (png, 2x2, seed 7)\n");
}

TEST_F(DetachedCommands, GetWritesNothingBeforeItIsDone) {
  v1::Generation half = Done({"one"});
  half.set_state(v1::GENERATION_STATE_RUNNING);
  Answer(half);
  EXPECT_EQ(Run({"get", "g1", "-o", Path("a.png")}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("nothing to write yet"));
  EXPECT_FALSE(fs::exists(Path("a.png")));
}

TEST_F(DetachedCommands, CancelSaysWhatCameOfIt) {
  v1::Generation cancelled = InState(v1::GENERATION_STATE_CANCELLED);
  cancelled.set_error_code(1);
  Answer(cancelled);
  EXPECT_EQ(Run({"cancel", "g1"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("g1: cancelled\n"));
  EXPECT_THAT(server_.asked(), ElementsAre("cancel g1"));
}

TEST_F(DetachedCommands, AGenerationThatIsNotThereIsAnError) {
  const auto none = grpc::Status(grpc::StatusCode::NOT_FOUND, "no generation g9");
  server_.set_watch(Send({}, none));
  server_.set_detached([&](const std::string&, v1::Generation*) { return none; });
  for (const std::string command : {"watch", "get", "cancel"}) {
    EXPECT_EQ(Run({command, "g9"}), 1);
    EXPECT_EQ(err_.str(), "easel: NOT_FOUND: no generation g9\n") << command;
    EXPECT_EQ(out_.str(), "");
  }
}

}  // namespace
}  // namespace easel
