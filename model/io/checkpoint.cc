#include "model/io/checkpoint.h"

#include <ATen/ATen.h>
#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/io/file.h"
#include "model/io/json.h"
#include "model/io/safetensors.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr size_t kMaxNamed = 5;  // names an error lists of each kind
constexpr std::string_view kSuffix = ".safetensors";
constexpr std::string_view kIndexPart = ".safetensors.index";

using Files = std::map<std::string, std::shared_ptr<const SafetensorsFile>>;  // by file name

bool IsDigits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isdigit(c); });
}

// Cuts "-00001-of-00002" off the end; whether it was there.
bool CutShardNumber(std::string& stem) {
  const size_t of = stem.rfind("-of-");
  if (of == stem.npos || of == 0 || !IsDigits(std::string_view(stem).substr(of + 4))) return false;
  const size_t dash = stem.rfind('-', of - 1);
  if (dash == stem.npos || !IsDigits(std::string_view(stem).substr(dash + 1, of - dash - 1))) return false;
  stem.resize(dash);
  return true;
}

// What a directory offers to load: one file, or the index of several.
struct Candidate {
  std::string file;
  std::string
      variant;  // "fp16" of model.fp16.safetensors and of model.safetensors.index.fp16.json; else empty
  bool is_index;
};

absl::StatusOr<std::vector<std::string>> FileNames(const std::string& directory) {
  std::error_code error;
  std::filesystem::directory_iterator it(directory, error);
  std::vector<std::string> names;
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  if (error) return absl::NotFoundError(absl::StrCat(directory, ": ", error.message()));
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<Candidate> Choose(const std::string& directory) {
  EASEL_ASSIGN_OR_RETURN(const std::vector<std::string> names, FileNames(directory));
  std::vector<Candidate> candidates;
  std::vector<std::string> shards;
  std::vector<std::string> pickles;
  for (const std::string& name : names) {
    const size_t index = name.find(kIndexPart);
    if (index != name.npos && name.ends_with(".json")) {
      std::string stem = name.substr(
          0, index);  // both spellings: a.fp16.safetensors.index.json, a.safetensors.index.fp16.json
      std::string_view after(name);
      after.remove_prefix(index + kIndexPart.size());
      after.remove_suffix(std::string_view(".json").size());
      const size_t dot = stem.find('.');
      std::string variant = dot == stem.npos ? "" : stem.substr(dot + 1);
      if (after.starts_with('.')) variant = std::string(after.substr(1));
      candidates.push_back({name, variant, /*is_index=*/true});
    } else if (name.ends_with(kSuffix)) {
      std::string stem = name.substr(0, name.size() - kSuffix.size());
      const size_t dot = stem.find('.');
      std::string variant = dot == stem.npos ? "" : stem.substr(dot + 1);
      stem.resize(std::min(dot, stem.size()));
      if (CutShardNumber(stem) || CutShardNumber(variant)) {
        shards.push_back(name);
      } else {
        candidates.push_back({name, variant, /*is_index=*/false});
      }
    } else if (name.ends_with(".bin") || name.ends_with(".ckpt") || name.ends_with(".pt") ||
               name.ends_with(".pth")) {
      pickles.push_back(name);
    }
  }

  if (candidates.empty() && !shards.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        directory, ": ", shards[0], " is one of several, but there is no *.safetensors.index.json"));
  }
  if (candidates.empty()) {
    return absl::NotFoundError(absl::StrCat(
        directory, ": no weights: expected one *.safetensors, or several with their *.safetensors.index.json",
        pickles.empty()
            ? ""
            : absl::StrCat("; ", absl::StrJoin(pickles, ", "), ": pickled weights are not read")));
  }
  std::vector<Candidate> plain;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(plain),
               [](const Candidate& c) { return c.variant.empty(); });
  const std::vector<Candidate>& choice = plain.empty() ? candidates : plain;
  if (choice.size() > 1) {
    const auto add_name = [](std::string* out, const Candidate& c) { out->append(c.file); };
    return absl::InvalidArgumentError(
        absl::StrCat(directory, ": which weights? Keep one of ", absl::StrJoin(choice, ", ", add_name)));
  }
  return choice[0];
}

// The shards of an index, and that index and shards agree on what is where.
absl::StatusOr<Files> OpenShards(const std::string& directory, const std::string& index_name) {
  EASEL_ASSIGN_OR_RETURN(JsonObject index, JsonObject::Open(directory + "/" + index_name));
  std::optional<JsonObject> map = index.Object("weight_map");
  if (!map) index.Fail("weight_map", "missing; expected an object of tensor names and their files");
  EASEL_RETURN_IF_ERROR(index.status());

  Files files;
  size_t mapped = 0;
  for (const std::string& tensor : map->keys()) {
    const std::string shard = map->String(tensor);
    EASEL_RETURN_IF_ERROR(map->status());
    if (!files.contains(shard)) {
      if (!IsPlainFileName(shard) || !shard.ends_with(kSuffix)) {
        map->Fail(tensor, absl::StrCat("expected the name of a *.safetensors in the same directory, got \"",
                                       shard, "\""));
        return map->status();
      }
      EASEL_ASSIGN_OR_RETURN(files[shard], SafetensorsFile::Open(directory + "/" + shard));
    }
    if (!files[shard]->Has(tensor)) {
      map->Fail(tensor, absl::StrCat("no such tensor in ", shard));
      return map->status();
    }
    ++mapped;
  }
  // Every entry of the index has its tensor; so a tensor too many is one that the index lacks or puts
  // elsewhere.
  size_t present = 0;
  for (const auto& [shard, file] : files) present += file->names().size();
  if (present == mapped) return files;
  for (const auto& [shard, file] : files) {
    for (const std::string& tensor : file->names()) {
      if (!map->Has(tensor) || map->String(tensor) != shard) {
        index.Fail("weight_map", absl::StrCat("tensor \"", tensor, "\" of ", shard, " is not listed so"));
        return index.status();
      }
    }
  }
  return absl::InternalError(directory + ": the index counts its tensors wrongly");
}

class FileCheckpoint : public Checkpoint {
 public:
  FileCheckpoint(std::string directory, Files files, c10::Device device, c10::ScalarType dtype)
      : directory_(std::move(directory)), files_(std::move(files)), device_(device), dtype_(dtype) {
    for (const auto& [file_name, file] : files_) {
      for (const std::string& name : file->names()) file_of_[name] = file.get();
    }
  }
  ~FileCheckpoint() override { ReleaseLast(); }

  at::Tensor Take(const std::string& name, at::IntArrayRef shape, Init) override {
    const auto it = file_of_.find(name);
    if (it == file_of_.end()) {
      missing_.insert(absl::StrCat("\"", name, "\""));
      return Placeholder(shape);
    }
    used_.insert(name);
    ReleaseLast();
    last_ = it->second;
    const at::Tensor tensor = last_->Get(name);
    last_converted_ = tensor.is_floating_point() && tensor.scalar_type() != dtype_;
    if (tensor.sizes() != shape) {
      misshapen_.insert(absl::StrCat("\"", name, "\" is [", absl::StrJoin(tensor.sizes(), ", "),
                                     "], wanted [", absl::StrJoin(shape, ", "), "]"));
      return Placeholder(shape);
    }
    return tensor.to(device_, tensor.is_floating_point() ? dtype_ : tensor.scalar_type());
  }

  bool Has(const std::string& name) const override { return file_of_.contains(name); }
  void Ignore(std::string_view name) override { used_.insert(std::string(name)); }

  absl::Status Finish() const override {
    std::set<std::string> left_over;
    for (const auto& [name, file] : file_of_) {
      if (!used_.contains(name)) left_over.insert(absl::StrCat("\"", name, "\""));
    }
    if (missing_.empty() && misshapen_.empty() && left_over.empty()) return absl::OkStatus();
    std::vector<std::string> parts;
    AddPart(parts, "missing", missing_);
    AddPart(parts, "of another shape", misshapen_);
    AddPart(parts, "unexpected", left_over);
    return absl::InvalidArgumentError(
        absl::StrCat(directory_, ": ", FileList(), ": tensors ", absl::StrJoin(parts, "; ")));
  }

 private:
  // By the time of the next tensor a network has packed or converted the last one, if it does so at all. The file's
  // copy of it would else stay in memory, beside that; and a converted copy, freed, would in holes of the heap.
  void ReleaseLast() const {
    if (last_ != nullptr) last_->ReleasePages();
    if (last_converted_) malloc_trim(0);
  }

  // Zeros of any shape in the memory of one: the shape may come from a wrong config and be huge.
  at::Tensor Placeholder(at::IntArrayRef shape) const {
    return at::zeros({}, at::TensorOptions().device(device_).dtype(dtype_)).expand(shape);
  }

  static void AddPart(std::vector<std::string>& parts, const char* what, const std::set<std::string>& items) {
    if (items.empty()) return;
    const size_t named = std::min(items.size(), kMaxNamed);
    parts.push_back(absl::StrCat(what, " (", items.size(),
                                 "): ", absl::StrJoin(items.begin(), std::next(items.begin(), named), ", "),
                                 named < items.size() ? ", …" : ""));
  }

  std::string FileList() const {
    return files_.size() == 1 ? files_.begin()->first
                              : absl::StrCat(files_.begin()->first, " and ", files_.size() - 1, " more");
  }

  const std::string directory_;
  const Files files_;
  const c10::Device device_;
  const c10::ScalarType dtype_;
  std::map<std::string, const SafetensorsFile*> file_of_;
  std::set<std::string, std::less<>> used_;  // taken or ignored
  const SafetensorsFile* last_ = nullptr;     // that a tensor was taken from
  bool last_converted_ = false;               // that tensor was, to another dtype
  std::set<std::string> missing_;
  std::set<std::string> misshapen_;
};

absl::StatusOr<Files> OpenFiles(const std::string& directory) {
  EASEL_ASSIGN_OR_RETURN(const Candidate candidate, Choose(directory));
  if (candidate.is_index) return OpenShards(directory, candidate.file);
  Files files;
  EASEL_ASSIGN_OR_RETURN(files[candidate.file], SafetensorsFile::Open(directory + "/" + candidate.file));
  return files;
}

}  // namespace

absl::StatusOr<c10::ScalarType> StoredDtype(const std::string& directory) {
  EASEL_ASSIGN_OR_RETURN(const Files files, OpenFiles(directory));
  std::map<c10::ScalarType, int64_t> numbers;
  for (const auto& [file_name, file] : files) {
    for (const std::string& name : file->names()) {
      const at::Tensor tensor = file->Get(name);
      if (tensor.is_floating_point()) numbers[tensor.scalar_type()] += tensor.numel();
    }
  }
  const auto most = std::max_element(numbers.begin(), numbers.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == numbers.end()) return absl::InvalidArgumentError(directory + ": its weights hold no floating-point numbers");
  return most->first;
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& directory, c10::Device device,
                                                             c10::ScalarType dtype) {
  EASEL_ASSIGN_OR_RETURN(Files files, OpenFiles(directory));
  return std::make_unique<FileCheckpoint>(directory, std::move(files), device, dtype);
}

}  // namespace easel
