#include "client/cli/arguments.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <fstream>
#include <limits>
#include <map>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/help_examples.h"
#include "client/cli/output_files.h"
#include "client/cli/version.h"
#include "server/empty_values.h"

namespace easel {
namespace {

const std::map<std::string, v1::ImageFormat>& Formats() {
  static const auto* formats = new std::map<std::string, v1::ImageFormat>{{"png", v1::IMAGE_FORMAT_PNG},
                                                                          {"jpeg", v1::IMAGE_FORMAT_JPEG},
                                                                          {"jpg", v1::IMAGE_FORMAT_JPEG},
                                                                          {"webp", v1::IMAGE_FORMAT_WEBP},
                                                                          {"rgb", v1::IMAGE_FORMAT_RAW_RGB8}};
  return *formats;
}

template <typename Number>
bool Reads(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

// CLI11 lets 64-bit numbers wrap around, takes 010 for 8, and of others that it cannot read it does not say
// what they may be.
template <typename Number>
CLI::Validator Whole(Number least = 0, Number most = std::numeric_limits<Number>::max()) {
  const auto read = [least, most](std::string& text) -> std::string {
    Number number = 0;
    if (!Reads(text, number) || number < least || number > most) {
      return absl::StrCat("'", text, "' is not a whole number from ", least, " to ", most);
    }
    text = absl::StrCat(number);
    return "";
  };
  return CLI::Validator(read, "");
}
std::string CheckNumber(const std::string& text) {
  double number = 0;
  return Reads(text, number) ? "" : absl::StrCat("'", text, "' is not a number");
}

std::string CheckPositive(const std::string& text) {
  double number = 0;
  return Reads(text, number) && number > 0 ? "" : absl::StrCat("'", text, "' is not a number above 0");
}

// gRPC would take the port modulo 65536.
std::string CheckServer(const std::string& text) {
  const std::string port = text.substr(text.rfind(':') + 1);
  uint64_t number = 0;
  return Reads(port, number) && number > 65535 && port.size() < text.size()
             ? absl::StrCat("'", text, "': a port is at most 65535")
             : "";
}

// What a call's metadata can carry.
std::string CheckMetadata(const std::string& text) {
  for (const char c : text) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) return "holds what is no printable ASCII";
  }
  return "";
}

// The first line of that file; throws CLI11's error.
std::string ReadKey(const std::string& name) {
  std::ifstream file(name);
  std::string key;
  if (!std::getline(file, key) || absl::StripAsciiWhitespace(key).empty()) {
    throw CLI::ValidationError("--api-key-file", absl::StrCat("cannot read a key in ", name));
  }
  absl::StripAsciiWhitespace(&key);
  if (!CheckMetadata(key).empty()) {
    throw CLI::ValidationError("--api-key-file", absl::StrCat("the key in ", name, " ", CheckMetadata(key)));
  }
  return key;
}

void AddConnection(CLI::App& app, Arguments& arguments) {
  ImageClient::Options& connection = arguments.connection;
  app.add_option("--server", connection.server,
                 "the server's HOST:PORT; or dns:///NAME:PORT: all of that name that serve, in turn")
      ->envname("EASEL_SERVER")
      ->check(CheckServer)
      ->capture_default_str();
  const auto add_file = [&app](const std::string& flag, const std::string& variable, std::string& value,
                               const std::string& help) {
    return app.add_option(flag, value, help)->envname(variable)->type_name("FILE");
  };
  add_file("--tls-ca", "EASEL_TLS_CA", connection.tls_ca, "use TLS, and trust the certificates in this, PEM");
  // Not EASEL_TLS_CERT: that is the server's, and the two programs may share an environment.
  add_file("--tls-cert", "EASEL_CLIENT_CERT", connection.tls_cert,
           "your certificate, for a server that asks for one");
  add_file("--tls-key", "EASEL_CLIENT_KEY", connection.tls_key, "its key");
  app.add_option("--tls-server-name", connection.tls_server_name,
                 "the name in the server's certificate, where it is not --server's")
      ->envname("EASEL_TLS_SERVER_NAME")
      ->type_name("NAME");
  CLI::Option* key =
      app.add_option("--api-key", connection.api_key,
                     "the key that the server asks for; others on this machine see it in the list of "
                     "processes: better EASEL_API_KEY, or")
          ->envname("EASEL_API_KEY")
          ->type_name("KEY")
          ->check(CheckMetadata);
  app.add_option_function<std::string>(
         "--api-key-file", [&connection](const std::string& name) { connection.api_key = ReadKey(name); },
         "the file whose first line is the key")
      ->envname("EASEL_API_KEY_FILE")
      ->type_name("FILE")
      ->excludes(key);
  app.add_option("--tenant", connection.tenant, "on whose behalf, where the server takes the caller's word")
      ->envname("EASEL_TENANT")
      ->check(CheckMetadata);
  app.add_option("--retries", connection.retries,
                 "try again so often where no server could; default: 3, of load and health 0")
      ->transform(Whole(0, 1000));
  app.add_flag("--json", arguments.json, "for scripts: JSON on stdout, one event a line");
}

// What generate and submit have in common.
void AddRequest(CLI::App* sub, GenerateArguments& g) {
  CLI::Option* prompt = sub->add_option(
      "PROMPT", g.prompt, "what to draw; several words are one prompt. None: whatever comes to mind");
  CLI::Option* label = sub->add_option("--class-label", g.class_label, "draw a class, by its number")
                           ->transform(Whole<uint32_t>());
  CLI::Option* name =
      sub->add_option("--class-name", g.class_name, "draw a class, by its name (see easel models)");
  label->excludes(prompt)->excludes(name);
  name->excludes(prompt);
  sub->add_option("--negative-prompt", g.negative_prompt, "what to stay away from");
  sub->add_option("--model", g.model, "one of easel models; default: the server's");
  sub->add_option("--num-inference-steps,--steps", g.num_inference_steps, "steps from noise to picture")
      ->transform(Whole<uint32_t>());
  sub->add_option("--guidance-scale", g.guidance_scale, "how strongly the prompt is followed; 1: no guidance")
      ->check(CheckNumber);
  sub->add_option("--guidance-rescale", g.guidance_rescale, "takes back guidance's gain in contrast: 0 to 1")
      ->check(CheckNumber);
  sub->add_option("--true-cfg-scale", g.true_cfg_scale,
                  "how far from the negative prompt, for models that take it so; 1: off")
      ->check(CheckNumber);
  sub->add_option("-W,--width", g.width, "pixels")->transform(Whole<uint32_t>());
  sub->add_option("-H,--height", g.height, "pixels")->transform(Whole<uint32_t>());
  sub->add_option("-n,--num-images", g.num_images, "pictures, from seeds that follow one another")
      ->transform(Whole<uint32_t>());
  sub->add_option("-s,--seed", g.seed, "of the first picture; default: random, and told")
      ->transform(Whole<uint64_t>());
  sub->add_option("--sampler", g.sampler, "one of the model's samplers");
  sub->add_option("--flow-shift", g.flow_shift, "shift of the times; 1: evenly spaced")->check(CheckNumber);
  sub->add_option("--like", g.like, "make a PNG of Easel's again; other options change what they name")
      ->type_name("FILE.png");
  sub->add_option("--format", g.format,
                  "png, jpeg, webp or rgb; default: by the output's extension, else png")
      ->transform(CLI::CheckedTransformer(Formats(), CLI::ignore_case).description(""))
      ->type_name("FORMAT");
  sub->add_option("--quality", g.quality, "of JPEG and WebP: 1 to 100")->transform(Whole(1u, 100u));
  sub->add_option("--preview", g.preview, "a picture of the unfinished work every so many steps")
      ->transform(Whole<uint32_t>());
  sub->add_option("--preview-method", g.preview_method, "one of the model's preview methods");
  sub->add_option("--timeout", g.timeout_seconds, "give up after so many seconds")->check(CheckPositive);
  sub->add_option("--priority", g.priority, "which of your own goes first, -100 to 100; higher before lower")
      ->transform(Whole(-100, 100));
  sub->add_option("--request-id", g.request_id,
                  "a name of your own: sent again, it joins what it began; and the seed, unless told");
}

CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& what,
                     const std::string& examples) {
  CLI::App* sub = app.add_subcommand(name, what);
  sub->footer(examples + kOfEvery);
  return sub;
}

CLI::App* AddGenerate(CLI::App& app, GenerateArguments& g) {
  CLI::App* sub = AddCommand(app, "generate", "make one or more pictures", kGenerateExamples);
  AddRequest(sub, g);
  sub->add_option(
         "-o,--output", g.output,
         "where to write; a.png with -n 2 gives a-0.png and a-1.png; `-`: stdout; default: easel-SEED.png")
      ->type_name("FILE");
  sub->add_option("--preview-dir", g.preview_directory, "keep every preview there, as PNG")->type_name("DIR");
  sub->add_flag("--detach-on-disconnect", g.detach_on_disconnect,
                "the work goes on when this program goes away: see easel watch");
  return sub;
}

CLI::App* AddSubmit(CLI::App& app, GenerateArguments& g) {
  CLI::App* sub = AddCommand(app, "submit", "start a generation and leave it to the server", kSubmitExamples);
  AddRequest(sub, g);
  return sub;
}

CLI::App* AddOfGeneration(CLI::App& app, const std::string& name, const std::string& what,
                          const std::string& examples, GenerationArguments& g) {
  CLI::App* sub = AddCommand(app, name, what, examples);
  sub->add_option("ID", g.id, "the generation's, as easel submit prints it")->required();
  return sub;
}

CLI::App* AddWatch(CLI::App& app, GenerationArguments& g) {
  CLI::App* sub =
      AddOfGeneration(app, "watch", "attach to a generation, and write its pictures", kWatchExamples, g);
  sub->add_option("-o,--output", g.output, "where to write, as in generate")->type_name("FILE");
  sub->add_option("--preview-dir", g.preview_directory, "keep every preview there, as PNG")->type_name("DIR");
  return sub;
}

CLI::App* AddGet(CLI::App& app, GenerationArguments& g) {
  CLI::App* sub = AddOfGeneration(app, "get", "where a generation stands, or its pictures", kGetExamples, g);
  sub->add_option("-o,--output", g.output, "where to write its pictures, as in generate")->type_name("FILE");
  return sub;
}

CLI::App* AddLoad(CLI::App& app, LoadOptions& o) {
  CLI::App* sub =
      AddCommand(app, "load", "send a load of requests, and tell how they were served", kLoadExamples);
  CLI::Option* rate = sub->add_option("--rate", o.rate, "requests a second, at random times (open loop)")
                          ->check(CheckPositive);
  CLI::Option* concurrency =
      sub->add_option("--concurrency", o.concurrency, "so many at a time, each after another (closed loop)")
          ->transform(Whole(1u, 10000u));
  sub->add_flag("--burst", o.burst, "with --rate: requests come in bursts")
      ->needs(rate)
      ->excludes(concurrency);
  concurrency->excludes(rate);
  CLI::Option* requests = sub->add_option("--requests", o.requests, "how many to measure; default: 200")
                              ->transform(Whole(1u, 100000000u));
  sub->add_option("--duration", o.duration, "measure those of so many seconds")
      ->check(CheckPositive)
      ->excludes(requests);
  sub->add_option("--warmup", o.warmup, "send so many before that")->transform(Whole<uint32_t>());
  sub->add_option("--mix", o.mix,
                  "kinds of requests; default: 4, 10, 20 and 50 steps of all that the model takes")
      ->type_name("FILE.json");
  sub->add_option("--model", o.model, "one of easel models; default: the server's");
  sub->add_option("--seed", o.seed, "of arrivals, choices and pictures")
      ->transform(Whole<uint64_t>())
      ->capture_default_str();
  sub->add_option("--slo", o.slo, "in time is what takes at most so many times its latency alone")
      ->check(CheckPositive)
      ->capture_default_str();
  sub->add_flag("--deadline", o.deadline, "send that time as the call's deadline");
  sub->add_option("--preview", o.preview, "ask for a preview every so many steps")
      ->transform(Whole<uint32_t>());
  sub->add_flag("--verify", o.verify,
                "compare each picture with the same request's alone; exit code 1 if any differs");
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

void Complete(LoadOptions& o) {
  if (!o.rate.has_value() && o.concurrency == 0) {
    throw CLI::ValidationError("load", "needs --rate R or --concurrency N");
  }
  if (!o.requests.has_value() && !o.duration.has_value()) o.requests = 200;
}

// Where an option may come several times, as a prompt's words do, CLI11 takes a word in brackets for a list
// and what is between its commas for words. So no word in brackets reaches it as it is.
constexpr char kGuard = '\x1f';

void GuardBrackets(CLI::App& app, std::vector<std::string>& words) {
  for (std::string& word : words) {
    if (word.size() > 1 && word.front() == '[' && word.back() == ']') word += kGuard;
  }
  std::vector<CLI::App*> apps = app.get_subcommands({});
  apps.push_back(&app);
  for (CLI::App* of : apps) {
    for (CLI::Option* option : of->get_options()) {
      option->transform([](std::string word) {
        if (word.ends_with(std::string("]") + kGuard)) word.pop_back();
        return word;
      });
    }
  }
}

constexpr char kCommands[] = "generate, submit, watch, get, cancel, load, models, health";

}  // namespace

std::variant<Arguments, Leave> ParseArguments(const std::vector<std::string>& words) {
  Arguments arguments;
  CLI::App app("Pictures from an Easel server (easeld).", "easel");
  app.set_version_flag("--version", ClientVersionText());
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kExamples);
  AddConnection(app, arguments);
  using Command = Arguments::Command;
  GenerationArguments& generation = arguments.generation;
  const std::vector<std::pair<CLI::App*, Command>> commands = {
      {AddGenerate(app, arguments.generate), Command::kGenerate},
      {AddSubmit(app, arguments.generate), Command::kSubmit},
      {AddWatch(app, generation), Command::kWatch},
      {AddGet(app, generation), Command::kGet},
      {AddOfGeneration(app, "cancel", "stop a generation at its next step", kCancelExamples, generation),
       Command::kCancel},
      {AddLoad(app, arguments.load), Command::kLoad},
      {AddCommand(app, "models", "what is served: sizes, steps, samplers, classes", kModelsExamples),
       Command::kModels},
      {AddCommand(app, "health",
                  "whether the server and its models are ready; exit code 1 when the server is not",
                  kHealthExamples),
       Command::kHealth},
  };
  try {
    std::vector<std::string> all = WithEmptyValues(app, words);
    GuardBrackets(app, all);
    app.parse(std::vector<std::string>(all.rbegin(), all.rend()));  // CLI11 takes them from the back
    for (const auto& [sub, command] : commands) {
      if (sub->parsed()) arguments.command = command;
    }
    const bool generates = arguments.command == Command::kGenerate || arguments.command == Command::kSubmit;
    if (generates) Complete(arguments.generate);
    if (arguments.command == Command::kLoad) Complete(arguments.load);
    const bool measures = arguments.command == Command::kLoad || arguments.command == Command::kHealth;
    if (measures && app.count("--retries") == 0) arguments.connection.retries = 0;
    if (arguments.json && (arguments.generate.output == "-" || generation.output == "-")) {
      throw CLI::ValidationError("--json", "needs stdout for itself: not with -o -");
    }
  } catch (const CLI::CallForHelp&) {
    return Leave{0, app.help()};
  } catch (const CLI::CallForVersion& version) {
    return Leave{0, absl::StrCat(version.what(), "\n")};
  } catch (const CLI::RequiredError& error) {
    const bool named = !app.get_subcommands().empty();  // then it is an argument of its that is missing
    return Leave{
        2, absl::StrCat("easel: ", named ? error.what() : absl::StrCat("the command is one of ", kCommands),
                        "\n  easel --help tells more\n")};
  } catch (const CLI::ExtrasError& error) {
    const bool draws = app.got_subcommand("generate") || app.got_subcommand("submit");
    return Leave{2, absl::StrCat("easel: ", error.what(),
                                 draws ? "\n  a prompt that begins with a dash goes last, after --" : "",
                                 "\n  easel --help tells more\n")};
  } catch (const CLI::ParseError& error) {
    return Leave{2, absl::StrCat("easel: ", error.what(), "\n  easel --help tells more\n")};
  }
  return arguments;
}

}  // namespace easel
