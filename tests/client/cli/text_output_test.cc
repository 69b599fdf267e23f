// What people and scripts read: errors, JSON, tables; and what a terminal is taken for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "client/cli/error_text.h"
#include "client/cli/event_json.h"
#include "client/cli/inspect_commands.h"
#include "client/cli/terminal.h"
#include "google/rpc/error_details.pb.h"
#include "tests/client/fake_server.h"

namespace easel {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void AddDetail(absl::Status& status, const google::protobuf::Message& detail) {
  status.SetPayload("type.googleapis.com/" + detail.GetDescriptor()->full_name(),
                    absl::Cord(detail.SerializeAsString()));
}

TEST(ErrorText, NamesFieldsAndDelays) {
  absl::Status status = absl::InvalidArgumentError("2 fields are wrong");
  google::rpc::BadRequest bad;
  for (const auto& [field, description] :
       {std::pair("width", "63; this model makes 64x64"), {"sampler", "'x'; euler, heun"}}) {
    bad.add_field_violations()->set_field(field);
    bad.mutable_field_violations()->rbegin()->set_description(description);
  }
  AddDetail(status, bad);
  EXPECT_EQ(ErrorText(status),
            "easel: INVALID_ARGUMENT: 2 fields are wrong\n  width: 63; this model makes 64x64\n  sampler: "
            "'x'; euler, heun\n");

  status = absl::ResourceExhaustedError("the queue is full");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500000000);
  AddDetail(status, retry);
  EXPECT_EQ(ErrorText(status), "easel: RESOURCE_EXHAUSTED: the queue is full\n  try again in 1.5 s\n");

  status = absl::DeadlineExceededError("too late");
  google::rpc::ErrorInfo info;
  info.set_reason("CANNOT_FINISH");
  (*info.mutable_metadata())["estimate_seconds"] = "3.5";
  AddDetail(status, info);
  EXPECT_EQ(ErrorText(status),
            "easel: DEADLINE_EXCEEDED: too late\n  CANNOT_FINISH\n  estimate_seconds: 3.5\n");
}

TEST(ErrorText, SaysNothingTwice) {
  EXPECT_EQ(ErrorText(absl::CancelledError("CANCELLED")), "easel: CANCELLED\n");
}

TEST(ErrorText, SaysHowToStartAServer) {
  absl::Status status = absl::UnavailableError("no server answers at h:1");
  EXPECT_THAT(ErrorText(status), Not(HasSubstr("easeld")));
  status.SetPayload(ImageClient::kNoServerPayload, absl::Cord("h:1"));
  EXPECT_THAT(ErrorText(status), HasSubstr("start one with `easeld`"));
}

TEST(EventJson, PicturesAreNamedNotIncluded) {
  EXPECT_EQ(EventToJson(ImageEvent(0, 7, "\"chunk\":\"\","), "d/a \"b\".png"),
            R"({"generation_id":"g1","image":{"index":0,"seed":"7","format":"IMAGE_FORMAT_PNG",)"
            R"("width":2,"height":2},"image_index":0,"file":"d/a \"b\".png"})");
  EXPECT_EQ(EventToJson(PreviewEvent(1, 4, 2, 1, "RGBRGB"), ""),
            R"({"generation_id":"g1","preview":{"step":4,"format":"IMAGE_FORMAT_RAW_RGB8",)"
            R"("width":2,"height":1},"image_index":1})");
}

TEST(EventJson, LinesStayLines) {
  v1::GenerationEvent event = StartedEvent();
  event.mutable_started()->mutable_parameters()->set_prompt("two\nlines, \"chunk\":\"\",");
  const std::string json = EventToJson(event, "");
  EXPECT_THAT(json, Not(HasSubstr("\n")));
  EXPECT_THAT(json, HasSubstr(R"("prompt":"two\nlines, \"chunk\":\"\",")"));
  EXPECT_THAT(json, Not(HasSubstr("guidance_scale")));  // not set is not 0
}

TEST(Terminal, IsTakenForWhatItSays) {
  const auto describe = [](bool tty, std::map<std::string, std::string> variables) {
    const Terminal t =
        DescribeTerminal(tty, [variables](const std::string& name) -> std::optional<std::string> {
          const auto found = variables.find(name);
          if (found == variables.end()) return std::nullopt;
          return found->second;
        });
    return std::pair(t.interactive, t.pictures);
  };
  EXPECT_EQ(describe(true, {{"TERM", "xterm-256color"}}), std::pair(true, true));
  EXPECT_EQ(describe(true, {{"TERM", "xterm"}, {"COLORTERM", "truecolor"}}), std::pair(true, true));
  EXPECT_EQ(describe(true, {{"TERM", "linux"}}), std::pair(true, false));
  EXPECT_EQ(describe(true, {{"TERM", "xterm-256color"}, {"NO_COLOR", "1"}}), std::pair(true, false));
  EXPECT_EQ(describe(true, {{"TERM", "xterm-256color"}, {"NO_COLOR", ""}}), std::pair(true, true));
  EXPECT_EQ(describe(true, {{"TERM", "dumb"}, {"COLORTERM", "truecolor"}}), std::pair(false, false));
  EXPECT_EQ(describe(true, {}), std::pair(false, false));
  EXPECT_EQ(describe(false, {{"TERM", "xterm-256color"}}), std::pair(false, false));
}

v1::Model EmojiModel() {
  v1::Model model;
  model.set_name("emoji");
  model.set_family("EaselPipeline");
  model.set_takes_prompt(true);
  model.set_takes_class(true);
  model.set_takes_guidance(true);
  model.set_class_count(25);
  model.mutable_limits()->set_max_steps(1000);
  v1::Size* size = model.mutable_limits()->add_sizes();
  size->set_width(64);
  size->set_height(64);
  model.mutable_defaults()->set_num_inference_steps(30);
  model.mutable_defaults()->set_guidance_scale(4.5);
  model.add_samplers("euler");
  model.add_samplers("heun");
  model.add_preview_methods("linear");
  model.set_device("cpu");
  model.set_dtype("float32");
  model.set_memory_bytes(31400000);
  v1::ModelClass* food = model.add_classes();
  food->set_label(3);
  food->add_names("food");
  food->add_names("meal");
  return model;
}

TEST(ModelTable, HasEverythingARequestNeeds) {
  v1::ListModelsResponse models;
  *models.add_models() = EmojiModel();
  EXPECT_EQ(ModelTable(models),
            "NAME   FAMILY         TAKES               SIZE   STEPS         GUIDANCE  SAMPLERS    PREVIEWS  "
            "DEVICE  DTYPE    MEMORY\n"
            "emoji  EaselPipeline  prompt, class 0-24  64x64  30 (to 1000)  4.5       euler heun  linear    "
            "cpu     float32  31.4 MB\n"
            "\nclasses of emoji:\n    3  food, meal\n");
}

TEST(InspectCommands, ModelsAsTableOrJson) {
  FakeServer server;
  *server.models().add_models() = EmojiModel();
  std::ostringstream table, json, err;
  EXPECT_EQ(RunModels(*server.Client(), /*json=*/false, table, err), 0);
  EXPECT_EQ(table.str(), ModelTable(server.models()));
  EXPECT_EQ(RunModels(*server.Client(), /*json=*/true, json, err), 0);
  EXPECT_THAT(json.str(), HasSubstr(R"({"models":[{"name":"emoji","family":"EaselPipeline",)"));
  EXPECT_EQ(err.str(), "");
}

TEST(InspectCommands, HealthIsTheExitCode) {
  FakeServer server;
  server.health()->SetServingStatus("easel.v1.ImageGeneration", true);
  std::ostringstream out, json, err;
  EXPECT_EQ(RunHealth(*server.Client(), /*json=*/false, out, err), 0);
  EXPECT_EQ(out.str(),
            "SERVICE                   STATUS\nserver                    SERVING\neasel.v1.ImageGeneration  "
            "SERVING\n");
  server.health()->SetServingStatus("easel.v1.ImageGeneration", false);
  EXPECT_EQ(RunHealth(*server.Client(), /*json=*/true, json, err), 1);
  EXPECT_EQ(json.str(),
            "{\"server\":\"SERVING\",\"easel.v1.ImageGeneration\":\"NOT_SERVING\",\"models\":{}}\n");
}

// A model that is down beside others costs only those who ask for it: it is told, and is no reason to
// restart.
TEST(InspectCommands, HealthTellsOfEachModel) {
  FakeServer server;
  const std::string images = "easel.v1.ImageGeneration";
  server.models().add_models()->set_name("emoji");
  server.models().add_models()->set_name("sd3");
  server.health()->SetServingStatus(images + "/emoji", true);
  server.health()->SetServingStatus(images + "/sd3", false);
  std::ostringstream table, json, err;
  EXPECT_EQ(RunHealth(*server.Client(), /*json=*/true, json, err), 0);
  EXPECT_EQ(json.str(),
            "{\"server\":\"SERVING\",\"easel.v1.ImageGeneration\":\"SERVING\","
            "\"models\":{\"emoji\":\"SERVING\",\"sd3\":\"NOT_SERVING\"}}\n");
  EXPECT_EQ(RunHealth(*server.Client(), /*json=*/false, table, err), 0);
  EXPECT_THAT(table.str(), HasSubstr("easel.v1.ImageGeneration/sd3    NOT_SERVING\n"));
}

TEST(InspectCommands, NoServerIsAnError) {
  const auto client = *ImageClient::Create({.server = "127.0.0.1:1", .retries = 0});
  std::ostringstream out, err;
  EXPECT_EQ(RunHealth(*client, /*json=*/false, out, err), 1);
  EXPECT_EQ(RunModels(*client, /*json=*/true, out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("no server answers at 127.0.0.1:1"));
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace easel
