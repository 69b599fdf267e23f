#include "server/service/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/io/status_macros.h"
#include "server/service/call_metadata.h"
#include "server/service/model_description.h"

namespace easel {
namespace {

constexpr double kLeastWeight = 0.001, kMostWeight = 1000;

absl::StatusOr<double> ParseWeight(const std::string& text) {
  double weight = 0;
  if (absl::SimpleAtod(text, &weight) && weight >= kLeastWeight && weight <= kMostWeight) return weight;
  return absl::InvalidArgumentError(
      absl::StrCat("weight: ", Quoted(text), " given; allowed: ", kLeastWeight, " to ", kMostWeight));
}

absl::StatusOr<absl::Time> ParseExpiry(const std::string& text) {
  absl::Time time;
  std::string error;
  for (const char* format : {"%Y-%m-%d", absl::RFC3339_full}) {
    if (absl::ParseTime(format, text, &time, &error)) return time;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("expires: ", Quoted(text), " given; allowed: 2027-01-31 or 2027-01-31T12:00:00Z"));
}

}  // namespace

absl::StatusOr<ApiKeys::Key> ApiKeys::ParseKey(std::string_view line) {
  const std::vector<std::string> words = absl::StrSplit(absl::string_view(line.data(), line.size()),
                                                        absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  Key key;
  const std::string& hash = words[0];
  if (hash.size() != 2 * key.digest.size() ||
      !std::all_of(hash.begin(), hash.end(), [](unsigned char c) { return absl::ascii_isxdigit(c); })) {
    return absl::InvalidArgumentError(
        "the first word must be the key's SHA-256, 64 hex digits, and never the key itself");
  }
  const std::string digest = absl::HexStringToBytes(hash);
  std::copy(digest.begin(), digest.end(), key.digest.begin());
  // The - is sha256sum's, and no answer to whose the key is.
  if (words.size() < 2 || words[1] == "-") {
    return absl::InvalidArgumentError(absl::StrCat("tenant: none given; after the hash goes ", kTenantRule));
  }
  if (!IsTenant(words[1])) {
    return absl::InvalidArgumentError(
        absl::StrCat("tenant: ", Quoted(words[1]), " given; allowed: ", kTenantRule));
  }
  key.caller.tenant = words[1];
  std::map<std::string, std::string> settings;
  for (size_t i = 2; i < words.size(); ++i) {
    const std::pair<std::string, std::string> setting = absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    if ((setting.first != "weight" && setting.first != "expires") || !settings.insert(setting).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(Quoted(words[i]), " given; allowed: weight=W and expires=DATE, each once"));
    }
  }
  if (settings.contains("weight")) {
    EASEL_ASSIGN_OR_RETURN(key.caller.weight, ParseWeight(settings["weight"]));
  }
  if (settings.contains("expires")) {
    EASEL_ASSIGN_OR_RETURN(key.expires, ParseExpiry(settings["expires"]));
  }
  return key;
}

absl::StatusOr<ApiKeys> ApiKeys::Parse(std::string_view text) {
  ApiKeys parsed;
  std::map<Digest, int> lines;                            // of each key
  std::map<std::string, std::pair<double, int>> weights;  // of each tenant, and the line that says so
  int number = 0;
  for (absl::string_view line : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const auto wrong = [number](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", what));
    };
    auto key = ParseKey({line.data(), line.size()});
    if (!key.ok()) return wrong(key.status().message());
    if (const auto [first, fresh] = lines.insert({key->digest, number}); !fresh) {
      return wrong(absl::StrCat("the key of line ", first->second, " again"));
    }
    const auto [known, fresh] = weights.insert({key->caller.tenant, {key->caller.weight, number}});
    if (!fresh && known->second.first != key->caller.weight) {
      return wrong(absl::StrCat("weight ", key->caller.weight, " for tenant ", key->caller.tenant,
                                ", which has weight ", known->second.first, " in line ",
                                known->second.second));
    }
    parsed.keys_.push_back(*std::move(key));
  }
  if (parsed.keys_.empty()) return absl::InvalidArgumentError("there is no key in it");
  return parsed;
}

absl::StatusOr<Caller> ApiKeys::Find(std::string_view key, absl::Time now) const {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  const Key* found = nullptr;
  for (const Key& each : keys_) {
    if (CRYPTO_memcmp(each.digest.data(), digest.data(), digest.size()) == 0) found = &each;
  }
  if (found == nullptr) return absl::UnauthenticatedError("the API key is not one of this server's");
  if (found->expires <= now) {
    return absl::UnauthenticatedError(absl::StrCat(
        "the API key expired at ", absl::FormatTime(absl::RFC3339_sec, found->expires, absl::UTCTimeZone())));
  }
  return found->caller;
}

}  // namespace easel
