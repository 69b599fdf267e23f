// One page of text over HTTP/1.1, at http://HOST:PORT/metrics. CivetWeb's, as prometheus-cpp's own Exposer
// is, which however puts series of its own on the page.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct mg_context;
struct mg_connection;

namespace easel {

class PageServer {
 public:
  // Serves what `page` gives, asked for at every GET on threads of its own, until destroyed (which takes up
  // to 2 s: they look up now and then). Port 0 picks one. Unavailable when the address cannot be had.
  static absl::StatusOr<std::unique_ptr<PageServer>> Open(const std::string& host, int port,
                                                          std::function<std::string()> page);
  int port() const;

 private:
  struct Stop {
    void operator()(mg_context* context) const;
  };
  explicit PageServer(std::function<std::string()> page) : page_(std::move(page)) {}
  static int Answer(mg_connection* connection, void* self);

  const std::function<std::string()> page_;
  std::unique_ptr<mg_context, Stop> context_;  // last: its threads ask for the page
};

}  // namespace easel
