#include "model/io/json_parse.h"

#include <limits>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxExcerpt = 60;
constexpr size_t kMaxMessage = 200;

struct Constant {
  std::string_view token;
  std::string_view
      stand_in;  // as JSON text: a string that begins with a control character, as no file's string does
  std::string_view string;  // that string
  double value;
};
constexpr Constant kConstants[] = {
    {"NaN", R"("\u0001NaN")", "\1NaN", std::numeric_limits<double>::quiet_NaN()},
    {"Infinity", R"("\u0001Infinity")", "\1Infinity", std::numeric_limits<double>::infinity()},
    {"-Infinity", R"("\u0001-Infinity")", "\1-Infinity", -std::numeric_limits<double>::infinity()},
};

// `text` with the bare constants replaced by their stand-ins.
std::string WithStandIns(std::string_view text) {
  std::string result;
  result.reserve(text.size() + 64);
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    if (in_string && text[i] == '\\' && i + 1 < text.size()) {
      result.append(text.substr(i, 2));
      i += 2;
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    const Constant* found = nullptr;
    for (const Constant& c : kConstants) {
      if (!in_string && text.substr(i).starts_with(c.token)) found = &c;
    }
    result.append(found ? found->stand_in : text.substr(i, 1));
    i += found ? found->token.size() : 1;
  }
  return result;
}

const Constant* FindConstant(const nlohmann::json& value) {
  if (!value.is_string()) return nullptr;
  for (const Constant& c : kConstants) {
    if (value.get_ref<const std::string&>() == c.string) return &c;
  }
  return nullptr;
}

struct Fault {
  std::string what;
};

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, const std::string& path) {
  std::string replaced;
  if (text.find("NaN") != text.npos || text.find("Infinity") != text.npos) {
    replaced = WithStandIns(text);
    text = replaced;
  }
  std::vector<std::set<std::string>> open_objects;  // the keys so far of each object that is not closed
  auto check = [&open_objects](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= kMaxDepth) throw Fault{absl::StrCat("nested deeper than ", kMaxDepth, " levels")};
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key && !open_objects.back().insert(parsed.get<std::string>()).second) {
      throw Fault{absl::StrCat("the key ", Excerpt(parsed), " appears twice in one object")};
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), check);
  } catch (const Fault& fault) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", fault.what));
  } catch (const nlohmann::json::exception& e) {
    std::string_view what = e.what();
    if (const size_t end = what.find("] "); what.starts_with('[') && end != what.npos)
      what.remove_prefix(end + 2);
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not JSON: ", std::string(what.substr(0, kMaxMessage))));
  }
}

std::optional<double> AsNumber(const nlohmann::json& value) {
  if (value.is_number()) return value.get<double>();
  if (const Constant* c = FindConstant(value)) return c->value;
  return {};
}

std::string Excerpt(const nlohmann::json& value) {
  if (const Constant* c = FindConstant(value)) return std::string(c->token);
  if (value.is_structured() && value.size() > 16) return value.is_array() ? "a long array" : "a large object";
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMaxExcerpt) text = text.substr(0, kMaxExcerpt) + "…";
  return text;
}

}  // namespace easel
