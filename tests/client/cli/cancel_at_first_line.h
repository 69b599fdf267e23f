// A stream that, with the first line written to it, does what Ctrl-C does.
#pragma once

#include <ostream>
#include <sstream>
#include <string>

#include "client/image_client.h"

namespace easel {

class CancelAtFirstLine : public std::ostream {
 public:
  explicit CancelAtFirstLine(ImageClient* client) : std::ostream(nullptr), buffer_(client) {
    rdbuf(&buffer_);
  }
  std::string str() const { return buffer_.str(); }

 private:
  class Buffer : public std::stringbuf {
   public:
    explicit Buffer(ImageClient* client) : client_(client) {}
    int sync() override {
      client_->Cancel();
      return std::stringbuf::sync();
    }

   private:
    ImageClient* const client_;
  };
  Buffer buffer_;
};

}  // namespace easel
