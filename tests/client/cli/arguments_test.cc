#include "client/cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace easel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Arguments Parsed(const std::vector<std::string>& words) {
  auto result = ParseArguments(words);
  if (auto* leave = std::get_if<Leave>(&result)) {
    ADD_FAILURE() << leave->text;
    return {};
  }
  return std::get<Arguments>(result);
}

Leave Left(const std::vector<std::string>& words) {
  auto result = ParseArguments(words);
  if (std::holds_alternative<Arguments>(result)) {
    ADD_FAILURE() << "was accepted";
    return {};
  }
  return std::get<Leave>(result);
}

TEST(Arguments, GenerateTakesEverything) {
  const Arguments a = Parsed({"generate",
                              "red",
                              "apple",
                              "--negative-prompt",
                              "blur",
                              "--steps",
                              "20",
                              "--width",
                              "64",
                              "-H",
                              "32",
                              "-n",
                              "3",
                              "-s",
                              "18446744073709551615",
                              "--sampler",
                              "heun",
                              "--guidance-scale",
                              "0",
                              "--guidance-rescale",
                              "0.5",
                              "--flow-shift",
                              "3",
                              "--true-cfg-scale",
                              "2.5",
                              "--model",
                              "emoji",
                              "-o",
                              "a.png",
                              "--format",
                              "JPEG",
                              "--quality",
                              "80",
                              "--preview",
                              "2",
                              "--preview-method",
                              "decoder",
                              "--preview-dir",
                              "p",
                              "--timeout",
                              "1.5",
                              "--like",
                              "b.png",
                              "--priority",
                              "-5",
                              "--request-id",
                              "order-17",
                              "--detach-on-disconnect",
                              "--tenant",
                              "shop",
                              "--json",
                              "--server",
                              "h:1",
                              "--api-key",
                              "k",
                              "--tls-ca",
                              "ca.pem"});
  const GenerateArguments& g = a.generate;
  EXPECT_EQ(a.command, Arguments::Command::kGenerate);
  EXPECT_THAT(g.prompt, ElementsAre("red", "apple"));
  EXPECT_EQ(g.negative_prompt, "blur");
  EXPECT_EQ(g.num_inference_steps, 20u);
  EXPECT_EQ(g.width, 64u);
  EXPECT_EQ(g.height, 32u);
  EXPECT_EQ(g.num_images, 3u);
  EXPECT_EQ(g.seed, ~uint64_t{0});
  EXPECT_EQ(g.sampler, "heun");
  EXPECT_EQ(g.guidance_scale, 0.0);
  EXPECT_EQ(g.guidance_rescale, 0.5);
  EXPECT_EQ(g.true_cfg_scale, 2.5);
  EXPECT_EQ(g.flow_shift, 3.0);
  EXPECT_EQ(g.model, "emoji");
  EXPECT_EQ(g.output, "a.png");
  EXPECT_EQ(g.format, v1::IMAGE_FORMAT_JPEG);
  EXPECT_EQ(g.quality, 80u);
  EXPECT_EQ(g.preview, 2u);
  EXPECT_EQ(g.preview_method, "decoder");
  EXPECT_EQ(g.preview_directory, "p");
  EXPECT_EQ(g.timeout_seconds, 1.5);
  EXPECT_EQ(g.like, "b.png");
  EXPECT_EQ(g.priority, -5);
  EXPECT_EQ(g.request_id, "order-17");
  EXPECT_TRUE(g.detach_on_disconnect);
  EXPECT_EQ(a.connection.tenant, "shop");
  EXPECT_TRUE(a.json);
  EXPECT_EQ(a.connection.server, "h:1");
  EXPECT_EQ(a.connection.api_key, "k");
  EXPECT_EQ(a.connection.tls_ca, "ca.pem");
}

TEST(Arguments, WhatIsNotSaidIsNotSet) {
  const Arguments a = Parsed({"generate"});
  EXPECT_TRUE(a.generate.prompt.empty());
  EXPECT_FALSE(a.generate.seed.has_value());
  EXPECT_FALSE(a.generate.guidance_scale.has_value());
  EXPECT_EQ(a.generate.format, v1::IMAGE_FORMAT_PNG);
  EXPECT_EQ(a.connection.server, "127.0.0.1:50051");
}

TEST(Arguments, AnEmptyPromptIsAPrompt) {
  EXPECT_THAT(Parsed({"generate", ""}).generate.prompt, ElementsAre(""));
}

// Not the next word, as CLI11 has it.
TEST(Arguments, AnEmptyValueIsAValue) {
  const Arguments a =
      Parsed({"generate", "--negative-prompt=", "--steps", "3", "--request-id=", "red", "apple"});
  EXPECT_EQ(a.generate.negative_prompt, "");
  EXPECT_EQ(a.generate.num_inference_steps, 3);
  EXPECT_EQ(a.generate.request_id, "");
  EXPECT_THAT(a.generate.prompt, ElementsAre("red", "apple"));
  EXPECT_EQ(Parsed({"--tls-ca=", "models"}).connection.tls_ca, "");
}

TEST(Arguments, WhatIsAValueOrAPromptStaysAsItIs) {
  EXPECT_EQ(Parsed({"generate", "--negative-prompt", "--steps="}).generate.negative_prompt, "--steps=");
  EXPECT_THAT(Parsed({"generate", "-s", "1", "--", "--steps=", "a="}).generate.prompt,
              ElementsAre("--steps=", "a="));
  EXPECT_TRUE(Parsed({"models", "--json="}).json);  // takes no value
}

TEST(Arguments, BracketsAreNoList) {
  const Arguments a =
      Parsed({"generate", "[a cat, a dog]", "[]", "[b,c]", "--negative-prompt", "[x, y]", "--model=[m]"});
  EXPECT_THAT(a.generate.prompt, ElementsAre("[a cat, a dog]", "[]", "[b,c]"));
  EXPECT_EQ(a.generate.negative_prompt, "[x, y]");
  EXPECT_EQ(a.generate.model, "[m]");
}

TEST(Arguments, NumbersAreDecimal) {
  const Arguments a = Parsed(
      {"generate", "--seed", "010", "--steps", "08", "-n", "0012", "--quality", "010", "--retries", "010"});
  EXPECT_EQ(a.generate.seed, 10u);
  EXPECT_EQ(a.generate.num_inference_steps, 8u);
  EXPECT_EQ(a.generate.num_images, 12u);
  EXPECT_EQ(a.generate.quality, 10u);
  EXPECT_EQ(a.connection.retries, 10);
  EXPECT_THAT(Left({"generate", "--quality", "101"}).text,
              HasSubstr("'101' is not a whole number from 1 to 100"));
}

TEST(Arguments, EnvironmentNamesTheServerAndFlagsWin) {
  setenv("EASEL_SERVER", "elsewhere:2", 1);
  setenv("EASEL_API_KEY", "from-env", 1);
  EXPECT_EQ(Parsed({"models"}).connection.server, "elsewhere:2");
  EXPECT_EQ(Parsed({"models"}).connection.api_key, "from-env");
  EXPECT_EQ(Parsed({"models", "--server", "here:1"}).connection.server, "here:1");
  setenv("EASEL_TENANT", "shop", 1);
  EXPECT_EQ(Parsed({"models"}).connection.tenant, "shop");
  unsetenv("EASEL_SERVER");
  unsetenv("EASEL_API_KEY");
  unsetenv("EASEL_TENANT");
}

TEST(Arguments, TlsFromFlagsOrTheEnvironment) {
  const ImageClient::Options said =
      Parsed({"models", "--tls-ca", "a", "--tls-cert", "b", "--tls-key", "c", "--tls-server-name", "d"})
          .connection;
  for (const char* name :
       {"EASEL_TLS_CA", "EASEL_CLIENT_CERT", "EASEL_CLIENT_KEY", "EASEL_TLS_SERVER_NAME"}) {
    setenv(name, name, 1);
  }
  const ImageClient::Options found = Parsed({"models"}).connection;
  EXPECT_THAT((std::vector{said.tls_ca, said.tls_cert, said.tls_key, said.tls_server_name}),
              ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT((std::vector{found.tls_ca, found.tls_cert, found.tls_key, found.tls_server_name}),
              ElementsAre("EASEL_TLS_CA", "EASEL_CLIENT_CERT", "EASEL_CLIENT_KEY", "EASEL_TLS_SERVER_NAME"));
  for (const char* name :
       {"EASEL_TLS_CA", "EASEL_CLIENT_CERT", "EASEL_CLIENT_KEY", "EASEL_TLS_SERVER_NAME"}) {
    unsetenv(name);
  }
}

TEST(Arguments, TheKeyFromAFile) {
  const std::string file = testing::TempDir() + "/api-key";
  std::ofstream(file) << "from-file \nmore\n";
  EXPECT_EQ(Parsed({"models", "--api-key-file", file}).connection.api_key, "from-file");
  setenv("EASEL_API_KEY_FILE", file.c_str(), 1);
  EXPECT_EQ(Parsed({"models"}).connection.api_key, "from-file");
  unsetenv("EASEL_API_KEY_FILE");
  EXPECT_EQ(Left({"models", "--api-key-file", file, "--api-key", "k"}).exit_code, 2);
  EXPECT_THAT(Left({"models", "--api-key-file", "/no/such.key"}).text, HasSubstr("/no/such.key"));
  std::ofstream(file) << "\n";
  EXPECT_EQ(Left({"models", "--api-key-file", file}).exit_code, 2);
}

TEST(Arguments, TheExtensionChoosesTheFormat) {
  EXPECT_EQ(Parsed({"generate", "-o", "a.JPG"}).generate.format, v1::IMAGE_FORMAT_JPEG);
  EXPECT_EQ(Parsed({"generate", "-o", "a.webp"}).generate.format, v1::IMAGE_FORMAT_WEBP);
  EXPECT_EQ(Parsed({"generate", "-o", "-"}).generate.format, v1::IMAGE_FORMAT_PNG);
  EXPECT_EQ(Parsed({"generate", "-o", "a.gif", "--format", "rgb"}).generate.format,
            v1::IMAGE_FORMAT_RAW_RGB8);
  EXPECT_THAT(Left({"generate", "-o", "a.gif"}).text, HasSubstr("--format"));
}

TEST(Arguments, APreviewDirectoryAloneAsksForPreviews) {
  EXPECT_EQ(Parsed({"generate", "--preview-dir", "p"}).generate.preview, 1u);
  EXPECT_EQ(Parsed({"generate", "--preview-dir", "p", "--preview", "5"}).generate.preview, 5u);
}

TEST(Arguments, OtherCommands) {
  EXPECT_EQ(Parsed({"models", "--json"}).command, Arguments::Command::kModels);
  EXPECT_EQ(Parsed({"--json", "health"}).command, Arguments::Command::kHealth);
}

TEST(Arguments, DetachedCommandsNameTheirGeneration) {
  const Arguments submit = Parsed({"submit", "red", "apple", "--preview", "2", "--request-id", "a"});
  EXPECT_EQ(submit.command, Arguments::Command::kSubmit);
  EXPECT_THAT(submit.generate.prompt, ElementsAre("red", "apple"));
  EXPECT_EQ(submit.generate.preview, 2u);
  EXPECT_EQ(submit.generate.format, v1::IMAGE_FORMAT_PNG);
  const Arguments watch = Parsed({"watch", "g1", "-o", "a.png", "--preview-dir", "p"});
  EXPECT_EQ(watch.command, Arguments::Command::kWatch);
  EXPECT_EQ(watch.generation.id, "g1");
  EXPECT_EQ(watch.generation.output, "a.png");
  EXPECT_EQ(watch.generation.preview_directory, "p");
  EXPECT_EQ(Parsed({"get", "g1", "--json"}).command, Arguments::Command::kGet);
  const Arguments cancel = Parsed({"cancel", "g1"});
  EXPECT_EQ(cancel.command, Arguments::Command::kCancel);
  EXPECT_EQ(cancel.generation.id, "g1");
}

TEST(Arguments, LoadTakesEverything) {
  const Arguments open =
      Parsed({"load",       "--rate",    "2.5",    "--burst",  "--duration", "60",    "--warmup",
              "10",         "--mix",     "m.json", "--seed",   "7",          "--slo", "4",
              "--deadline", "--preview", "2",      "--verify", "--model",    "emoji"});
  EXPECT_EQ(open.command, Arguments::Command::kLoad);
  EXPECT_EQ(open.load.rate, 2.5);
  EXPECT_TRUE(open.load.burst);
  EXPECT_EQ(open.load.duration, 60.0);
  EXPECT_FALSE(open.load.requests.has_value());
  EXPECT_EQ(open.load.warmup, 10u);
  EXPECT_EQ(open.load.mix, "m.json");
  EXPECT_EQ(open.load.seed, 7u);
  EXPECT_EQ(open.load.slo, 4);
  EXPECT_TRUE(open.load.deadline);
  EXPECT_EQ(open.load.preview, 2u);
  EXPECT_TRUE(open.load.verify);
  EXPECT_EQ(open.load.model, "emoji");
  const Arguments closed = Parsed({"load", "--concurrency", "8"});
  EXPECT_EQ(closed.load.concurrency, 8u);
  EXPECT_EQ(closed.load.requests, 200u);
  EXPECT_FALSE(closed.load.rate.has_value());
  EXPECT_EQ(closed.load.slo, 3);
}

TEST(Arguments, WrongOnesAreUsageErrors) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{}, "generate, submit, watch, get, cancel, load, models, health"},
      {{"draw"}, "generate, submit, watch, get, cancel, load, models, health"},
      {{"generate", "--priority", "101"}, "--priority"},
      {{"models", "--tenant", "a\nb"}, "--tenant"},
      {{"submit", "-o", "a.png"}, "-o"},
      {{"watch"}, "ID"},
      {{"get", "g1", "-o", "-", "--json"}, "--json"},
      {{"load"}, "--rate"},
      {{"load", "--rate", "0"}, "--rate"},
      {{"load", "--rate", "1", "--concurrency", "2"}, "--concurrency"},
      {{"load", "--concurrency", "2", "--burst"}, "--burst"},
      {{"load", "--rate", "1", "--requests", "2", "--duration", "3"}, "--duration"},
      {{"models", "--no-such"}, "--no-such"},
      {{"generate", "-W", "-3"}, "--width"},
      {{"generate", "-W", "big"}, "--width"},
      {{"generate", "-W", "4294967296"}, "--width"},
      {{"generate", "--seed", "-1"}, "--seed"},
      {{"generate", "--seed", "18446744073709551616"}, "--seed"},
      {{"generate", "--seed", "7x"}, "--seed"},
      {{"generate", "--steps", "1.5"}, "--num-inference-steps"},
      {{"generate", "--quality", "0"}, "--quality"},
      {{"generate", "--timeout", "0"}, "--timeout"},
      {{"generate", "--format", "gif"}, "--format"},
      {{"generate", "cat", "--class-label", "1"}, "--class-label"},
      {{"generate", "--class-label", "1", "--class-name", "food"}, "--class-"},
      {{"generate", "-o", "-", "-n", "2"}, "--num-images"},
      {{"generate", "-o", "-", "--json"}, "--json"},
      {{"generate", "--preview-method", "decoder"}, "--preview"},
      {{"generate", "--steps", "4294967296"}, "'4294967296' is not a whole number from 0 to 4294967295"},
      {{"generate", "--guidance-scale", "much"}, "--guidance-scale: 'much' is not a number"},
      {{"generate", "--timeout", "0"}, "--timeout: '0' is not a number above 0"},
      {{"generate", "--steps="}, "'' is not a whole number"},
      {{"generate", "--gloomy sea"}, "a prompt that begins with a dash goes last, after --"},
      {{"models", "--server", "localhost:65536"}, "'localhost:65536': a port is at most 65535"},
  };
  for (const auto& [words, part] : wrong) {
    const Leave leave = Left(words);
    EXPECT_EQ(leave.exit_code, 2) << part;
    EXPECT_THAT(leave.text, HasSubstr(part));
  }
}

TEST(Arguments, HelpAndVersionAreFine) {
  EXPECT_EQ(Left({"--help"}).exit_code, 0);
  EXPECT_THAT(Left({"--help"}).text, HasSubstr("Examples:"));
  EXPECT_EQ(Left({"generate", "--help"}).exit_code, 0);
  EXPECT_THAT(Left({"generate", "--help"}).text, HasSubstr("--guidance-scale"));
  for (const std::string command :
       {"generate", "submit", "watch", "get", "cancel", "load", "models", "health"}) {
    const Leave help = Left({command, "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.text, HasSubstr("Example")) << command;
    EXPECT_THAT(help.text, HasSubstr("easel " + command)) << command;
    EXPECT_THAT(help.text, HasSubstr("--server")) << command;
  }
  EXPECT_EQ(Left({"--version"}).exit_code, 0);
  EXPECT_THAT(Left({"--version"}).text, HasSubstr("easel "));
  EXPECT_THAT(Left({"--version"}).text, HasSubstr("\nbuild: "));
  EXPECT_THAT(Left({"--version"}).text, HasSubstr("\nrevision: "));
}

// What measures a server tells what it said, not what came of trying again.
TEST(Arguments, TriesAgainThreeTimesButDoesNotMeasureSo) {
  EXPECT_EQ(Parsed({"generate", "red"}).connection.retries, 3);
  EXPECT_EQ(Parsed({"watch", "g1"}).connection.retries, 3);
  EXPECT_EQ(Parsed({"health"}).connection.retries, 0);
  EXPECT_EQ(Parsed({"load", "--rate", "1"}).connection.retries, 0);
  EXPECT_EQ(Parsed({"load", "--rate", "1", "--retries", "9"}).connection.retries, 9);
  EXPECT_EQ(Parsed({"generate", "red", "--retries", "0"}).connection.retries, 0);
  EXPECT_THAT(Left({"generate", "red", "--retries", "-1"}).text, HasSubstr("--retries"));
}

}  // namespace
}  // namespace easel
