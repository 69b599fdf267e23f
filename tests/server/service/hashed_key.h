// A key as a file of keys has it.
#pragma once

#include <openssl/sha.h>

#include <string>

#include "absl/strings/escaping.h"

namespace easel {

inline std::string HashedKey(const std::string& key) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), sizeof(digest)});
}

}  // namespace easel
