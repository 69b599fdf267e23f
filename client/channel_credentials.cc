#include "client/channel_credentials.h"

#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"

namespace easel {
namespace {

// Into `pem`; nothing where no file is named. PEM has `label` at the end of a line; what has not, gRPC would
// take for a server that does not answer.
absl::Status Read(const std::string& name, std::string_view what, std::string_view label, std::string* pem) {
  if (name.empty()) return absl::OkStatus();
  std::ifstream file(name, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  *pem = text.str();
  if (!file || pem->empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read the ", std::string(what), " of ", name));
  }
  if (pem->find(label) != pem->npos) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " holds no ", std::string(what), " in PEM"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const ClientTls& tls) {
  if (tls.cert.empty() != tls.key.empty()) {
    return absl::InvalidArgumentError("a client's certificate and its key come together");
  }
  if (tls.ca.empty()) {
    if (tls.cert.empty()) return grpc::InsecureChannelCredentials();
    return absl::InvalidArgumentError("a client's certificate is for TLS, which needs the server's CA, too");
  }
  grpc::SslCredentialsOptions options;
  for (const absl::Status& read : {Read(tls.ca, "certificates", "CERTIFICATE-----", &options.pem_root_certs),
                                   Read(tls.cert, "certificate", "CERTIFICATE-----", &options.pem_cert_chain),
                                   Read(tls.key, "key", "PRIVATE KEY-----", &options.pem_private_key)}) {
    if (!read.ok()) return read;
  }
  return grpc::SslCredentials(options);
}

std::string TlsHint(bool uses_tls, std::string_view failure) {
  const auto says = [failure](std::string_view words) { return failure.find(words) != failure.npos; };
  if (!says("failed to connect")) return "";  // a connection that broke
  if (!uses_tls) {
    const bool hung_up = says("Socket closed") || says("Connection reset");
    return hung_up ? "if it uses TLS, name the CA of its certificate with --tls-ca FILE" : "";
  }
  if (says("wrong version number")) return "it does not use TLS: leave --tls-ca out";
  if (says("certificate verify failed")) {
    return "its certificate does not come from the CA of --tls-ca, or is out of date";
  }
  if (says("Hostname Verification Check failed") || says("is not in peer certificate")) {
    return "its certificate is for another name: use that in --server, or --tls-server-name NAME";
  }
  const bool hung_up = says("Socket closed") || says("Connection reset") || says("certificate required");
  return hung_up ? "it may ask for a client's certificate of its CA: --tls-cert FILE --tls-key FILE" : "";
}

}  // namespace easel
