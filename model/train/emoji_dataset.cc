#include "model/train/emoji_dataset.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <pugixml.hpp>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "model/io/status_macros.h"
#include "model/train/emoji_classes.h"
#include "model/train/emoji_font.h"

namespace easel {
namespace {

constexpr int64_t kSide = 64;
constexpr int64_t kCompareSide = 32;
// Mean squared error of two pictures in [0, 1] at 32x32, below which a viewer takes them for one drawing.
constexpr double kSameDrawing = 2e-3;

// Code points of one line of emoji-test.txt, as they are and (for CLDR's keys) as UTF-8 without U+FE0F.
struct Sequence {
  std::vector<uint32_t> code_points;
  std::string key;
};

absl::Status CheckThere(const std::string& path, const std::string& package) {
  if (std::filesystem::is_regular_file(path)) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(path, " is missing; Debian's package ", package, " provides it"));
}

std::string Normalised(const std::string& text) {
  std::string result = absl::AsciiStrToLower(absl::StripAsciiWhitespace(text));
  absl::StrReplaceAll({{"\u2019", "'"}, {"\u2018", "'"}, {"\u201c", "\""}, {"\u201d", "\""}}, &result);
  return result;
}

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
    return;
  }
  const int tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr unsigned kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out->push_back(static_cast<char>(kLead[tail] | (code >> (6 * tail))));
  for (int i = tail - 1; i >= 0; --i) out->push_back(static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F)));
}

bool IsSkinTone(uint32_t code) { return code >= 0x1F3FB && code <= 0x1F3FF; }
bool IsClockFace(uint32_t code) { return code >= 0x1F550 && code <= 0x1F567; }

// CLDR's key (an emoji without U+FE0F) → its keywords.
using Keywords = std::map<std::string, std::vector<std::string>>;

absl::StatusOr<Keywords> ReadKeywords(const std::vector<std::string>& paths) {
  Keywords keywords;
  for (const std::string& path : paths) {
    EASEL_RETURN_IF_ERROR(CheckThere(path, "unicode-cldr-core"));
    pugi::xml_document document;
    const pugi::xml_parse_result parsed = document.load_file(path.c_str());
    if (!parsed) return absl::InvalidArgumentError(absl::StrCat(path, ": ", parsed.description()));
    for (const pugi::xml_node node : document.child("ldml").child("annotations").children("annotation")) {
      if (node.attribute("type")) continue;  // the spoken name
      std::vector<std::string>& words = keywords[node.attribute("cp").value()];
      for (const std::string& word : std::vector<std::string>(absl::StrSplit(node.text().get(), '|'))) {
        words.push_back(Normalised(word));
      }
    }
  }
  if (keywords.empty())
    return absl::InvalidArgumentError(absl::StrCat(paths.empty() ? "" : paths[0], ": no annotations"));
  return keywords;
}

// Reads "1F34E ; fully-qualified # 🍎 E0.6 red apple"; false for any other line.
bool ParseLine(const std::string& line, Sequence* sequence, std::string* name) {
  const std::vector<std::string> halves = absl::StrSplit(line, "; fully-qualified");
  if (halves.size() != 2) return false;
  *sequence = {};
  for (const std::string& field :
       std::vector<std::string>(absl::StrSplit(halves[0], ' ', absl::SkipWhitespace()))) {
    uint32_t code = 0;
    if (!absl::SimpleHexAtoi(field, &code)) return false;
    sequence->code_points.push_back(code);
    if (code != 0xFE0F) AppendUtf8(code, &sequence->key);
  }
  // "# 🍎 E0.6 red apple": three words, then the name.
  const std::vector<std::string> words =
      absl::StrSplit(absl::StripLeadingAsciiWhitespace(halves[1]), absl::MaxSplits(' ', 3));
  if (sequence->code_points.empty() || words.size() != 4 || words[0] != "#") return false;
  *name = Normalised(words[3]);
  return true;
}

// (3, side, side) float → (3, 64, 64) uint8, by a triangle filter as wide as the shrinking needs.
at::Tensor Shrunk(const at::Tensor& picture) {
  return at::_upsample_bilinear2d_aa(picture.unsqueeze(0), {kSide, kSide}, /*align_corners=*/false)
      .squeeze(0)
      .mul(255)
      .round()
      .clamp(0, 255)
      .to(at::kByte);
}

std::vector<EmojiPicture> WithoutRepeats(std::vector<EmojiPicture> pictures) {
  std::vector<at::Tensor> all;
  for (const EmojiPicture& picture : pictures) all.push_back(picture.pixels);
  const at::Tensor small =
      at::adaptive_avg_pool2d(at::stack(all).to(at::kFloat) / 255, {kCompareSide, kCompareSide})
          .flatten(1);  // (n, 3·32·32)
  const at::Tensor squares = small.square().mean(1);
  const at::Tensor errors =
      (squares.unsqueeze(0) + squares.unsqueeze(1) - small.mm(small.t()) * (2.0 / small.size(1)))
          .contiguous();  // (n, n)
  const auto error = errors.accessor<float, 2>();
  std::vector<int64_t> kept;
  std::vector<EmojiPicture> result;
  for (int64_t i = 0; i < static_cast<int64_t>(pictures.size()); ++i) {
    if (std::any_of(kept.begin(), kept.end(), [&](int64_t j) { return error[i][j] < kSameDrawing; }))
      continue;
    kept.push_back(i);
    result.push_back(std::move(pictures[i]));
  }
  return result;
}

}  // namespace

const std::vector<std::string>& EmojiDataset::class_names() const { return EmojiClassNames(); }

absl::StatusOr<EmojiDataset> EmojiDataset::Load(const EmojiDatasetOptions& options) {
  EASEL_RETURN_IF_ERROR(CheckThere(options.font, "fonts-noto-color-emoji"));
  EASEL_RETURN_IF_ERROR(CheckThere(options.emoji_test, "unicode-data"));
  EASEL_ASSIGN_OR_RETURN(const std::unique_ptr<EmojiFont> font, EmojiFont::Open(options.font));
  EASEL_ASSIGN_OR_RETURN(const Keywords keywords, ReadKeywords(options.annotations));

  std::vector<EmojiPicture> pictures;
  std::ifstream lines(options.emoji_test);
  const std::string kGroup = "# group: ", kSubgroup = "# subgroup: ";
  std::string group, subgroup, name;
  Sequence sequence;
  for (std::string line; std::getline(lines, line);) {
    if (absl::StartsWith(line, kGroup)) group = line.substr(kGroup.size());
    if (absl::StartsWith(line, kSubgroup)) subgroup = line.substr(kSubgroup.size());
    if (!ParseLine(line, &sequence, &name)) continue;
    const int label = EmojiClassOf(name, subgroup);
    const std::vector<uint32_t>& codes = sequence.code_points;
    if (label < 0 || std::any_of(codes.begin(), codes.end(), IsSkinTone) || IsClockFace(codes[0])) continue;

    EmojiPicture picture{
        .name = name, .keywords = {}, .group = group, .subgroup = subgroup, .label = label, .pixels = {}};
    if (const auto found = keywords.find(sequence.key); found != keywords.end()) {
      for (const std::string& word : found->second) {
        if (word != name) picture.keywords.push_back(word);
      }
    }
    EASEL_ASSIGN_OR_RETURN(const at::Tensor drawing, font->Draw(codes));
    picture.pixels = Shrunk(drawing);
    pictures.push_back(std::move(picture));
  }
  if (pictures.empty())
    return absl::InvalidArgumentError(absl::StrCat(options.emoji_test, ": no fully-qualified emoji"));
  return EmojiDataset(WithoutRepeats(std::move(pictures)));
}

}  // namespace easel
