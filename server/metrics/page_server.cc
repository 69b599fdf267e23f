#include "server/metrics/page_server.h"

#include <civetweb.h>

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace easel {
namespace {

constexpr char kThreads[] = "2";  // one slow reader keeps nobody else from reading

}  // namespace

void PageServer::Stop::operator()(mg_context* context) const { mg_stop(context); }

absl::StatusOr<std::unique_ptr<PageServer>> PageServer::Open(const std::string& host, int port,
                                                             std::function<std::string()> page) {
  std::unique_ptr<PageServer> server(new PageServer(std::move(page)));
  const std::string address = absl::StrCat(host, ":", port);
  const char* options[] = {"listening_ports", address.c_str(), "num_threads", kThreads, nullptr};
  const mg_callbacks callbacks = {};
  server->context_.reset(mg_start(&callbacks, nullptr, options));
  if (server->context_ == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address, " for metrics"));
  }
  mg_set_request_handler(server->context_.get(), "/metrics$", &Answer, server.get());
  return server;
}

int PageServer::port() const {
  mg_server_port port = {};
  mg_get_server_ports(context_.get(), 1, &port);
  return port.port;
}

int PageServer::Answer(mg_connection* connection, void* self) {
  const std::string_view method = mg_get_request_info(connection)->request_method;
  if (method != "GET" && method != "HEAD") {
    mg_send_http_error(connection, 405, "%s", "the page is there to be read: GET");
    return 405;
  }
  const std::string page = static_cast<PageServer*>(self)->page_();
  mg_send_http_ok(connection, "text/plain; version=0.0.4; charset=utf-8",
                  static_cast<long long>(page.size()));
  if (method == "GET") mg_write(connection, page.data(), page.size());
  return 200;
}

}  // namespace easel
