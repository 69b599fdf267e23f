#include "client/arguments.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "client/output_files.h"

namespace easel {
namespace {

constexpr char kExamples[] =
    "Examples:\n"
    "  easel generate red apple -o apple.png\n"
    "  easel generate \"a blue car\" --steps 40 --guidance-scale 5 --seed 7 -o car.webp\n"
    "  easel generate --class-name food -n 4 -o food.png      writes food-0.png to food-3.png\n"
    "  easel generate --like apple.png --seed 8               the same, from another seed\n"
    "  easel generate red apple --preview 2                   watch it form in the terminal\n"
    "  easel models\n"
    "  easel health --server 10.0.0.5:50051\n"
    "\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 130 Ctrl-C.\n";

const std::map<std::string, v1::ImageFormat>& Formats() {
  static const auto* formats = new std::map<std::string, v1::ImageFormat>{{"png", v1::IMAGE_FORMAT_PNG},
                                                                          {"jpeg", v1::IMAGE_FORMAT_JPEG},
                                                                          {"jpg", v1::IMAGE_FORMAT_JPEG},
                                                                          {"webp", v1::IMAGE_FORMAT_WEBP},
                                                                          {"rgb", v1::IMAGE_FORMAT_RAW_RGB8}};
  return *formats;
}

// CLI11 lets 64-bit numbers wrap around; a seed must be the one that was typed.
std::string CheckSeed(const std::string& text) {
  uint64_t seed = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, seed);
  return error == std::errc() && stop == end
             ? ""
             : absl::StrCat(text, " is not a whole number from 0 to 2^64 - 1");
}

void AddConnection(CLI::App& app, Arguments& arguments) {
  ImageClient::Options& connection = arguments.connection;
  app.add_option("--server", connection.server, "the server's HOST:PORT")
      ->envname("EASEL_SERVER")
      ->capture_default_str();
  app.add_option("--tls-ca", connection.tls_ca, "use TLS, and trust the certificates of this PEM file");
  app.add_option("--api-key", connection.api_key, "the key that the server asks for")
      ->envname("EASEL_API_KEY");
  app.add_flag("--json", arguments.json, "for scripts: JSON on stdout, one event a line");
}

CLI::App* AddGenerate(CLI::App& app, GenerateArguments& g) {
  CLI::App* sub = app.add_subcommand("generate", "make one or more pictures");
  CLI::Option* prompt = sub->add_option(
      "PROMPT", g.prompt, "what to draw; several words are one prompt. None: whatever comes to mind");
  CLI::Option* label = sub->add_option("--class-label", g.class_label, "draw a class, by its number");
  CLI::Option* name =
      sub->add_option("--class-name", g.class_name, "draw a class, by its name (see easel models)");
  label->excludes(prompt)->excludes(name);
  name->excludes(prompt);
  sub->add_option("--negative-prompt", g.negative_prompt, "what to stay away from");
  sub->add_option("--model", g.model, "one of easel models; default: the server's");
  sub->add_option("--num-inference-steps,--steps", g.num_inference_steps, "steps from noise to picture");
  sub->add_option("--guidance-scale", g.guidance_scale,
                  "how strongly the prompt is followed; 1: no guidance");
  sub->add_option("--guidance-rescale", g.guidance_rescale, "takes back guidance's gain in contrast: 0 to 1");
  sub->add_option("--true-cfg-scale", g.true_cfg_scale,
                  "how far from the negative prompt, for models that take it so; 1: off");
  sub->add_option("-W,--width", g.width, "pixels");
  sub->add_option("-H,--height", g.height, "pixels");
  sub->add_option("-n,--num-images", g.num_images, "pictures, from seeds that follow one another");
  sub->add_option("-s,--seed", g.seed, "of the first picture; default: random, and told")->check(CheckSeed);
  sub->add_option("--sampler", g.sampler, "one of the model's samplers");
  sub->add_option("--flow-shift", g.flow_shift, "shift of the times; 1: evenly spaced");
  sub->add_option("--like", g.like, "make a PNG of Easel's again; other options change what they name")
      ->type_name("FILE.png");
  sub->add_option(
         "-o,--output", g.output,
         "where to write; a.png with -n 2 gives a-0.png and a-1.png; `-`: stdout; default: easel-SEED.png")
      ->type_name("FILE");
  sub->add_option("--format", g.format, "png, jpeg, webp or rgb; default: by FILE's extension")
      ->transform(CLI::CheckedTransformer(Formats(), CLI::ignore_case).description(""))
      ->type_name("FORMAT");
  sub->add_option("--quality", g.quality, "of JPEG and WebP: 1 to 100")->check(CLI::Range(1u, 100u));
  sub->add_option("--preview", g.preview, "show the unfinished picture every so many steps");
  sub->add_option("--preview-method", g.preview_method, "one of the model's preview methods");
  sub->add_option("--preview-dir", g.preview_directory, "keep every preview there, as PNG")->type_name("DIR");
  sub->add_option("--timeout", g.timeout_seconds, "give up after so many seconds")
      ->check(CLI::PositiveNumber);
  return sub;
}

// What CLI11 cannot check by itself; throws its error.
void Complete(GenerateArguments& g) {
  if (g.format == v1::IMAGE_FORMAT_UNSPECIFIED) {
    const std::optional<v1::ImageFormat> format = FormatOf(g.output == "-" ? "" : g.output);
    if (!format.has_value()) {
      throw CLI::ValidationError("--output",
                                 absl::StrCat("the extension of ", g.output,
                                              " is none of png, jpg, webp, rgb: say which with --format"));
    }
    g.format = *format;
  }
  if (g.output == "-" && g.num_images.value_or(1) > 1) {
    throw CLI::ValidationError("--output", "`-` takes one picture; --num-images asks for more");
  }
  if (!g.preview_directory.empty() && g.preview == 0) g.preview = 1;
  if (!g.preview_method.empty() && g.preview == 0) {
    throw CLI::ValidationError("--preview-method", "needs --preview or --preview-dir");
  }
}

}  // namespace

std::variant<Arguments, Leave> ParseArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  CLI::App app("Pictures from an Easel server (easeld).", "easel");
  app.set_version_flag("--version", "easel " EASEL_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kExamples);
  AddConnection(app, arguments);
  CLI::App* generate = AddGenerate(app, arguments.generate);
  CLI::App* models = app.add_subcommand("models", "what is served: sizes, steps, samplers, classes");
  CLI::App* health = app.add_subcommand("health", "whether the server is ready; exit code 1 when it is not");
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them from the back
    if (generate->parsed()) Complete(arguments.generate);
    if (generate->parsed() && arguments.json && arguments.generate.output == "-") {
      throw CLI::ValidationError("--json", "needs stdout for itself: not with -o -");
    }
  } catch (const CLI::CallForHelp&) {
    return Leave{0, app.help()};
  } catch (const CLI::CallForVersion& version) {
    return Leave{0, absl::StrCat(version.what(), "\n")};
  } catch (const CLI::RequiredError&) {
    return Leave{2, "easel: the command is one of generate, models, health\n  easel --help tells more\n"};
  } catch (const CLI::ParseError& error) {
    return Leave{2, absl::StrCat("easel: ", error.what(), "\n  easel --help tells more\n")};
  }
  arguments.command = models->parsed()   ? Arguments::Command::kModels
                      : health->parsed() ? Arguments::Command::kHealth
                                         : Arguments::Command::kGenerate;
  return arguments;
}

}  // namespace easel
