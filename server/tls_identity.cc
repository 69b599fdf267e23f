#include "server/tls_identity.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/io/file.h"
#include "model/io/status_macros.h"

namespace easel {
namespace {

constexpr size_t kMaxBytes = 1 << 20;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using PrivateKey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

Bio Reading(const std::string& pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

// All of the file's; at least one.
absl::StatusOr<std::vector<Certificate>> Certificates(const std::string& file, const std::string& pem) {
  const Bio bio = Reading(pem);
  std::vector<Certificate> certificates;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(certificate);
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty() || !ended) {
    return absl::InvalidArgumentError(absl::StrCat(
        file, certificates.empty() ? " holds no certificate in PEM" : " holds a certificate that is broken"));
  }
  return certificates;
}

absl::StatusOr<PrivateKey> PrivateKeyIn(const std::string& file, const std::string& pem) {
  const auto no_passphrase = [](char*, int, int, void*) { return 0; };
  PrivateKey key(PEM_read_bio_PrivateKey(Reading(pem).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key != nullptr) return key;
  return absl::InvalidArgumentError(
      absl::StrCat(file, " holds no private key in PEM, or one under a passphrase"));
}

absl::Time ToTime(const ASN1_TIME* time) {
  tm utc = {};
  ASN1_TIME_to_tm(time, &utc);
  return absl::FromTM(utc, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<TlsIdentity> ReadTlsIdentity(const TlsFiles& files) {
  TlsIdentity identity;
  EASEL_ASSIGN_OR_RETURN(identity.cert_chain, ReadFile(files.cert, kMaxBytes));
  EASEL_ASSIGN_OR_RETURN(identity.private_key, ReadFile(files.key, kMaxBytes));
  EASEL_ASSIGN_OR_RETURN(const auto chain, Certificates(files.cert, identity.cert_chain));
  EASEL_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKeyIn(files.key, identity.private_key));
  const bool match = X509_check_private_key(chain.front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!match) {
    return absl::InvalidArgumentError(
        absl::StrCat(files.key, " is not the key of the first certificate in ", files.cert));
  }
  if (!files.client_ca.empty()) {
    EASEL_ASSIGN_OR_RETURN(identity.client_roots, ReadFile(files.client_ca, kMaxBytes));
    EASEL_RETURN_IF_ERROR(Certificates(files.client_ca, identity.client_roots).status());
  }
  identity.not_before = ToTime(X509_get0_notBefore(chain.front().get()));
  identity.not_after = ToTime(X509_get0_notAfter(chain.front().get()));
  return identity;
}

}  // namespace easel
