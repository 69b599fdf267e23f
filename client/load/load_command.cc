#include "client/load/load_command.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/error_text.h"
#include "client/load/load_alone.h"
#include "client/load/load_mix.h"
#include "client/load/load_report.h"
#include "client/load/load_run.h"

namespace easel {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

// A line on a terminal that is written over and over, and gone at the end; elsewhere nothing.
class StatusLine {
 public:
  StatusLine(const Terminal& terminal, std::ostream& err) : terminal_(terminal), err_(err) {}
  ~StatusLine() { Show(""); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  void Show(const std::string& text) {
    if (!terminal_.interactive) return;
    err_ << "\r" << text.substr(0, terminal_.columns - 1) << "\x1b[K" << std::flush;
  }

 private:
  const Terminal terminal_;
  std::ostream& err_;
};

absl::StatusOr<v1::Model> FindModel(ImageClient& client, const std::string& name) {
  const auto models = client.ListModels(kPatience);
  if (!models.ok()) return models.status();
  for (const v1::Model& model : models->models()) {
    if (name.empty() || model.name() == name) return model;
  }
  return absl::NotFoundError(absl::StrCat("no such model: ", name));
}

absl::StatusOr<std::vector<LoadKind>> ReadMix(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  auto mix = ParseMix(text.str());
  if (!mix.ok()) return absl::Status(mix.status().code(), absl::StrCat(path, ": ", mix.status().message()));
  return mix;
}

absl::StatusOr<std::vector<LoadKind>> MixOf(const LoadOptions& options, ImageClient& client) {
  const absl::StatusOr<v1::Model> model = FindModel(client, options.model);
  if (!model.ok()) return model.status();
  absl::StatusOr<std::vector<LoadKind>> mix = options.mix.empty() ? BuiltInMix(*model) : ReadMix(options.mix);
  if (!mix.ok()) return mix.status();
  for (LoadKind& kind : *mix) {
    if (kind.request.model().empty()) kind.request.set_model(options.model);
    if (options.preview > 0) kind.request.mutable_preview()->set_every_n_steps(options.preview);
  }
  return mix;
}

std::string ProgressText(const LoadRun::Progress& progress) {
  return absl::StrFormat("%.0f s: %d sent, %d under way, %d completed, %d refused or failed",
                         progress.seconds, progress.sent, progress.in_flight, progress.completed,
                         progress.failed);
}

}  // namespace

int RunLoad(const LoadOptions& options, bool json, ImageClient& client, const Terminal& terminal,
            std::ostream& out, std::ostream& err) {
  LoadOutcome outcome;
  {
    StatusLine line(terminal, err);
    const auto share = [&](const std::string& what) {
      return
          [&line, what](size_t done, size_t total) { line.Show(absl::StrCat(what, " ", done, "/", total)); };
    };
    const auto mix = MixOf(options, client);
    line.Show("timing each kind of request alone");
    const auto solo =
        mix.ok() ? TimeAlone(client, *mix, share("timing each kind of request alone")) : mix.status();
    if (!solo.ok()) {
      line.Show("");
      err << ErrorText(solo.status());
      return 1;
    }
    for (size_t i = 0; i < mix->size(); ++i)
      outcome.solo.push_back({KindName((*mix)[i].request), (*solo)[i]});

    LoadRun run(client, options, *mix, *solo);
    const std::vector<LoadRun::Ended> ended =
        run.Run([&](const LoadRun::Progress& progress) { line.Show(ProgressText(progress)); });
    outcome.interrupted = client.cancelled();
    std::vector<LoadRecord> records;
    for (const LoadRun::Ended& one : ended) {
      if (one.measured) records.push_back(one.record);
    }
    outcome.all = Summarize(records);
    outcome.tenants = SummarizeTenants(records);
    if (options.verify) outcome.verification = VerifyAlone(client, ended, share("comparing pictures"));
  }
  out << (json ? OutcomeJson(outcome) + "\n" : OutcomeTable(outcome)) << std::flush;
  const bool all_same = !outcome.verification.has_value() ||
                        (outcome.verification->different == 0 && outcome.verification->not_compared == 0);
  return outcome.all.completed > 0 && all_same && !client.cancelled() ? 0 : 1;
}

}  // namespace easel
