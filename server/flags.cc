#include "server/flags.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include "server/flag_set.h"
#include "server/version.h"

namespace easel {
namespace {

constexpr char kExamples[] = R"(
Every flag is also a key of --config FILE (TOML, without the dashes) and a variable: --max-queue is EASEL_MAX_QUEUE.
Flag goes before variable, variable before file, file before default.

Examples:
  easeld                                        the shipped model on 127.0.0.1:50051
  easeld --model ./sd3 --listen 0.0.0.0:50051   a diffusers model directory, for the whole network
  easeld --model small=./a --model big=./b      two models; a request names one, the first is the default
  easeld --device cpu --workers 2 --threads 4   two workers of four threads
  EASEL_LOG_FORMAT=json easeld --config easeld.toml
  easeld --config easeld.toml --check           whether it would start; --print-config: with which flags

Exit codes: 0 clean, 1 fault, 2 usage or configuration, 3 a model that cannot be loaded, 4 address in use.)";

// Beside the program in a build (a link that CMake makes), below it where installed.
std::string ShippedModel() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  const std::filesystem::path built = (program / "../model/reference").lexically_normal();
  if (std::filesystem::exists(built / "model_index.json", error)) return built.string();
  return (program / "../share/easel/model/reference").lexically_normal().string();
}

// [NAME=]DIR. Without a name the directory's own; a slash before the = makes it part of the directory.
ModelSource ParseModel(const std::string& text) {
  const size_t equals = text.find('=');
  ModelSource source;
  source.directory = text;
  if (equals != std::string::npos && text.find('/') > equals) {
    source.name = text.substr(0, equals);
    source.directory = text.substr(equals + 1);
    if (source.name.empty())
      throw CLI::ValidationError("--model", "the name before = is empty in '" + text + "'");
  }
  if (source.directory.empty())
    throw CLI::ValidationError("--model", "the directory is empty in '" + text + "'");
  if (source.name.empty()) {
    std::error_code error;
    std::filesystem::path path = std::filesystem::weakly_canonical(source.directory, error);
    if (!path.has_filename()) path = path.parent_path();  // of what is not there, a slash at the end stays
    source.name = path.filename().string();
    if (source.name.empty()) throw CLI::ValidationError("--model", "'" + text + "' needs a name: NAME=DIR");
  }
  return source;
}

Address ParseAddress(const std::string& flag, const std::string& text) {
  const auto address = Address::Parse(text);
  if (!address.ok()) throw CLI::ValidationError(flag, std::string(address.status().message()));
  return *address;
}

// The flags of easeld, each bound to where its value goes.
class Parser : private FlagSet {
 public:
  explicit Parser(Flags* flags)
      : FlagSet("easeld, the server: pictures from prompts and classes, over gRPC.", kExamples,
                VersionText()),
        flags_(flags) {
    flags_->app.version = EASEL_VERSION;
    flags_->app.codec_threads = std::clamp(static_cast<int>(std::thread::hardware_concurrency()) / 4, 1, 4);
    flags_->app.log = LogCall;
    flags_->app.metrics_listen = Address{"127.0.0.1", 9464};
    AddDoors();
    AddModels();
    AddLimits();
    AddLog();
    AddActs();
  }

  void Parse(int argc, const char* const* argv) {
    ParseWords(argc, argv);
    if (flags_->load.models.empty()) flags_->load.models.push_back(ParseModel(ShippedModel()));
    std::set<std::string> names;
    for (const ModelSource& source : flags_->load.models) {
      if (!names.insert(source.name).second) {
        throw CLI::ValidationError("--model",
                                   "two models are named '" + source.name + "'; give one another: NAME=DIR");
      }
    }
    if (!print_config_) CheckTls(flags_->app.secrets.tls);  // what is printed may yet be added to
    // More pictures than may wait, or than one tenant may have, could never be accepted.
    int& max_images = flags_->app.limits.max_images;
    max_images = std::min(max_images, flags_->engine.max_queue);
    if (flags_->engine.max_tenant_jobs > 0) max_images = std::min(max_images, flags_->engine.max_tenant_jobs);
  }

  // For --print-config: all of it, as TOML; else empty.
  std::string TextToPrint() const { return print_config_ ? ConfigText() : ""; }

  int Exit(const CLI::ParseError& error, std::ostream& out, std::ostream& err) {
    return app_.exit(error, out, err);
  }

 private:
  static void CheckTls(const TlsFiles& tls) {
    if (tls.cert.empty() != tls.key.empty()) {
      throw CLI::ValidationError(tls.cert.empty() ? "--tls-cert" : "--tls-key",
                                 "a certificate and its key come together");
    }
    if (!tls.client_ca.empty() && tls.cert.empty()) {
      throw CLI::ValidationError("--tls-client-ca", "needs --tls-cert and --tls-key");
    }
  }
  void AddDoors() {
    AddText("listen", "HOST:PORT", "127.0.0.1:50051", "gRPC; port 0 picks one",
            [this](const std::string& text) { flags_->app.listen = ParseAddress("--listen", text); });
    AddText("metrics-listen", "HOST:PORT", "127.0.0.1:9464", "Prometheus, at /metrics; `off` for none",
            [this](const std::string& text) {
              flags_->app.metrics_listen.reset();
              if (text != "off") flags_->app.metrics_listen = ParseAddress("--metrics-listen", text);
            });
    auto& secrets = flags_->app.secrets;
    AddFile("tls-cert", "the server's certificate, and those between it and a root, in PEM; none: no TLS",
            &secrets.tls.cert);
    AddFile("tls-key", "its key, in PEM", &secrets.tls.key);
    AddFile("tls-client-ca", "clients must show a certificate of these, in PEM; none: they need not",
            &secrets.tls.client_ca);
    AddFile("api-keys", "calls must carry a key of these: lines of SHA256 TENANT [weight=W] [expires=DATE]",
            &secrets.api_keys);
    AddSwitch("reflection", "let clients ask for the services and messages", &flags_->app.reflection);
    AddSwitch("trust-tenant-header", "a call's x-easel-tenant says whose it is; for a proxy that sets it",
              &flags_->app.trust_tenant_header);
    AddSeconds("stall-timeout", "30", "how long a caller may take to read one message",
               &flags_->app.stall_timeout);
    AddSeconds("drain-timeout", "30", "after SIGTERM: how long running work may take to finish",
               &flags_->drain_timeout);
  }
  void AddModels() {
    Named("model",
          app_.add_option_function<std::vector<std::string>>(
              "--model",
              [this](const std::vector<std::string>& texts) {
                for (const std::string& text : texts) flags_->load.models.push_back(ParseModel(text));
              },
              "directory as diffusers writes it; may come several times, or with commas"),
          "[NAME=]DIR", "the shipped one")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->delimiter(',');
    AddText("device", "DEVICE", "auto", "cpu, cuda:N, several with commas, or auto: every GPU, else the CPU",
            [this](const std::string& text) { flags_->load.devices = text; });
    AddChoice("dtype", {"float32", "bfloat16", "float16"}, "as the checkpoint on CUDA, float32 on the CPU",
              "what the networks compute in", [this](const std::string& text) { flags_->load.dtype = text; });
    AddNumber("workers", 1, "auto", "workers on the CPU; workers × threads ≤ cores; auto: measured",
              &flags_->load.workers);
    AddNumber("threads", 1, "auto", "threads of each of them", &flags_->load.threads);
  }
  void AddLimits() {
    AddNumber("max-batch", 1, "auto", "rows of a forward; a guided picture takes two",
              &flags_->engine.max_batch_rows);
    AddNumber("max-queue", 1, "64", "pictures that may wait", &flags_->engine.max_queue);
    AddNumber("max-tenant-jobs", 0, "0", "pictures of one tenant, waiting and worked on; 0: no such limit",
              &flags_->engine.max_tenant_jobs);
    AddFile("step-times", "what forwards take: read where it is, else measured and written",
            &flags_->step_times);
    AddNumber("max-pixels", 1, "auto", "width × height of a picture; auto: per model",
              &flags_->app.limits.max_pixels);
    AddNumber("max-steps", 1, "1000", "steps of a picture", &flags_->app.limits.max_steps);
    AddNumber("max-images", 1, "16", "pictures of a request", &flags_->app.limits.max_images);
    AddSeconds("keep-results", "600", "how long a generation can be found once it has ended",
               &flags_->app.keep.keep);
    AddNumber("keep-results-bytes", 0, "268435456", "of all that have ended; the oldest goes first",
              &flags_->app.keep.keep_bytes);
  }
  void AddLog() {
    AddChoice("log-format", {"text", "json"}, "text", "one line an event, on stderr",
              [this](const std::string& text) {
                flags_->log.format = text == "json" ? LogOptions::Format::kJson : LogOptions::Format::kText;
              });
    AddChoice("log-level", {"debug", "info", "warning", "error"}, "info", "what is worth a line",
              [this](const std::string& text) { flags_->log.level = text; });
    AddSwitch("log-prompts", "tell the prompts in the log, too", &flags_->log.prompts);
  }

  void AddActs() {
    AddAct("print-config", "print what flags, variables and file add up to as such a file, and leave",
           &print_config_);
    AddAct("check", "load the models as a start would, tell of them, and leave, with no address opened",
           &flags_->check);
  }

  Flags* const flags_;
  bool print_config_ = false;
};

}  // namespace

std::variant<Flags, ExitCode> ParseFlags(int argc, const char* const* argv, std::ostream& out,
                                         std::ostream& err) {
  Flags flags;
  Parser parser(&flags);
  try {
    parser.Parse(argc, argv);
    const std::string text = parser.TextToPrint();
    if (text.empty()) return flags;
    out << text;
    return kExitClean;
  } catch (const CLI::ParseError& error) {
    return parser.Exit(error, out, err) == 0 ? kExitClean : kExitUsage;
  }
}

}  // namespace easel
