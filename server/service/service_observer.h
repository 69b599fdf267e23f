// What the service tells of itself: all that metrics and the log need, without knowing either.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/engine/job_listener.h"

namespace easel {

// One call, when it has ended; or the end of its generation after it. Empty and 0 where it did not get that
// far.
struct CallRecord {
  std::string_view rpc;       // such as "GenerateStream"
  std::string generation_id;  // drawn for a request that was refused, too
  std::string model;          // a served name; empty when the request named none of them
  absl::Status status;
  std::string peer;
  std::string tenant;       // empty where the operator trusts no header
  std::string traceparent;  // W3C trace context, as the caller sent it
  std::string prompt;
  int steps = 0, width = 0, height = 0, num_images = 0;
  double seconds = 0;        // from arrival to the end
  JobAccounting accounting;  // summed over the pictures
  // The log alone gets this: the call has its record, and then its detached generation failed, with nobody
  // left to hear of it. `status` and `seconds` are the generation's.
  bool unheard = false;
};

// Calls come from any thread, several at once; they must neither block nor throw.
class ServiceObserver {
 public:
  virtual ~ServiceObserver() = default;
  virtual void OnCallBegan(std::string_view rpc) {}
  virtual void OnCallEnded(const CallRecord& record) {}
  // A finished picture was written in its format, in so many seconds.
  virtual void OnPictureWritten(std::string_view model, int width, int height, double seconds) {}
  virtual void OnPreviewSent(std::string_view model) {}
  // A preview that the reader had not taken was replaced by a newer one.
  virtual void OnPreviewCoalesced(std::string_view model) {}
  virtual void OnBytesSent(int64_t bytes) {}
};

}  // namespace easel
