// The command line as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/image_client.h"
#include "client/load/load_options.h"

namespace easel {

// What `easel generate` and `easel submit` were told. Not set: left to --like's file, else to the server.
struct GenerateArguments {
  std::vector<std::string> prompt;  // words, to be joined by blanks
  std::optional<uint32_t> class_label;
  std::optional<std::string> class_name;
  std::optional<std::string> negative_prompt;
  std::optional<std::string> model;
  std::optional<uint32_t> num_inference_steps;
  std::optional<double> guidance_scale;
  std::optional<double> guidance_rescale;
  std::optional<double> true_cfg_scale;
  std::optional<uint32_t> width, height;
  std::optional<uint32_t> num_images;
  std::optional<uint64_t> seed;
  std::optional<std::string> sampler;
  std::optional<double> flow_shift;
  std::string like;    // a PNG; empty: none
  std::string output;  // empty: a name from the seed; `-`: stdout
  v1::ImageFormat format =
      v1::IMAGE_FORMAT_UNSPECIFIED;  // after parsing: --format's, else that of output's extension
  std::optional<uint32_t> quality;
  uint32_t preview = 0;  // every so many steps; 0: none
  std::string preview_method;
  std::string preview_directory;
  std::optional<double> timeout_seconds;
  std::optional<int32_t> priority;
  bool detach_on_disconnect = false;
  std::string request_id;  // empty: none
};

// What `easel watch`, `get` and `cancel` were told.
struct GenerationArguments {
  std::string id;
  std::string output;             // as GenerateArguments::output; `get`: empty writes nothing
  std::string preview_directory;  // `watch`
};

struct Arguments {
  enum class Command { kGenerate, kSubmit, kWatch, kGet, kCancel, kLoad, kModels, kHealth };
  Command command = Command::kGenerate;
  ImageClient::Options connection;
  bool json = false;
  GenerateArguments generate;      // of generate and submit
  GenerationArguments generation;  // of watch, get and cancel
  LoadOptions load;
};

// The program is to end here: with help or the version (code 0), or because the command line is wrong (code
// 2).
struct Leave {
  int exit_code = 0;
  std::string text;  // for stdout when exit_code is 0, else for stderr
};

// `arguments`: without the program's name. EASEL_SERVER, EASEL_TENANT, and what says how to get in (--help)
// are read from the environment, and the file of --api-key-file.
std::variant<Arguments, Leave> ParseArguments(const std::vector<std::string>& arguments);

}  // namespace easel
