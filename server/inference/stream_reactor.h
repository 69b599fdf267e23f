// ModelStreamInfer: many inferences on one stream, each with its own generation, which take turns at writing.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "server/inference/infer_call.h"
#include "server/sync/mutex.h"

namespace easel {

// One write is in flight, and only who may write next is asked for its next response: so previews that wait
// are replaced by newer ones (EventStream), whatever holds the stream up. `busy_` is the right to ask and to
// write, in one hand at a time. Its mutex guards who may ask, and is not held while a call is asked or gRPC
// is called.
//
// Held by itself until OnDone, and by every wake under way.
class StreamReactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            public std::enable_shared_from_this<StreamReactor> {
 public:
  // Requests under way on one stream; the next one is read when one of them has ended.
  static constexpr size_t kMaxRequests = 64;

  // `state` and `context` outlive the call.
  static StreamReactor* Start(InferenceState* state, grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override { self_.reset(); }

 private:
  StreamReactor(InferenceState* state, grpc::CallbackServerContext* context);

  // There may be something to write, or nothing left to do.
  void Pump();
  // Asks one of the calls; REQUIRES: busy_ is ours. Whether a write is in flight now, which has busy_; else
  // it is given up.
  bool Ask(int number, InferCall* call);
  // The end of a call: whether a message of it is being written.
  bool AnswerEnd(int number, const grpc::Status& status, const InferCall& call);
  // `last`: the call has ended; `final`: what triton_final_response says.
  bool Write(int number, bool last, bool final, inference::ModelStreamInferResponse* response);
  void GiveUpTurn();
  // It has ended, and nothing of it is in flight. REQUIRES: busy_ is ours.
  void Forget(int number);
  // No more requests are taken, and those there are leave.
  void Close(const grpc::Status& end);

  InferenceState* const state_;
  grpc::CallbackServerContext* const context_;
  const bool errors_end_it_;  // triton_grpc_error
  std::shared_ptr<StreamReactor> self_;

  grpc::ByteBuffer read_;   // of the read in flight
  int next_number_ = 0;     // of the request to be read
  grpc::ByteBuffer write_;  // of the write in flight

  Mutex mutex_;
  std::map<int, std::shared_ptr<InferCall>> calls_ ABSL_GUARDED_BY(mutex_);
  std::deque<int> ready_ ABSL_GUARDED_BY(mutex_);  // those that may be asked, in turn
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  int writing_ ABSL_GUARDED_BY(mutex_) = 0;        // whose message is in flight
  bool last_ ABSL_GUARDED_BY(mutex_) = false;      // and it is the last one of it
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;    // no read is in flight, for there are kMaxRequests
  bool read_all_ ABSL_GUARDED_BY(mutex_) = false;  // no more requests come
  int reading_ ABSL_GUARDED_BY(mutex_) = 0;        // threads that may still start a read
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace easel
