// The keys that open the server, as the operator's file tells them: a line each, and of the key its hash
// alone. Keys are long and random, so that a plain SHA-256 keeps them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace easel {

// Whose a call is.
struct Caller {
  std::string tenant;
  double weight = 1;  // its share of the workers, SubmitOptions::weight
};

class ApiKeys {
 public:
  // Lines of blank-separated words, of which the last two may be missing; empty lines, and what follows a #,
  // are nothing:
  //   SHA256 TENANT weight=W expires=DATE
  // SHA256: of the key, 64 hex digits, as sha256sum prints it. TENANT: 1 to 64 of [A-Za-z0-9._-]; it may have
  // several keys, all of one weight. W: 0.001 to 1000, else 1. DATE: 2027-01-31 or 2027-01-31T12:00:00Z; from
  // then on (UTC) the key is nothing. InvalidArgument: "line N: " and what is wrong, never with the first
  // word, which might be a key by mistake; or a file without a key.
  static absl::StatusOr<ApiKeys> Parse(std::string_view text);

  // Whose key it is. Unauthenticated for one that is not here or has expired. What does not fit takes as long
  // however nearly it does.
  absl::StatusOr<Caller> Find(std::string_view key, absl::Time now) const;

  size_t size() const { return keys_.size(); }

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Key {
    Digest digest;
    Caller caller;
    absl::Time expires = absl::InfiniteFuture();
  };
  static absl::StatusOr<Key> ParseKey(std::string_view line);

  std::vector<Key> keys_;
};

}  // namespace easel
