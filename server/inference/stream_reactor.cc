#include "server/inference/stream_reactor.h"

#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/service/wire.h"

namespace easel {
namespace {

bool AsksForGrpcErrors(const grpc::CallbackServerContext& context) {
  const auto found = context.client_metadata().find("triton_grpc_error");
  return found != context.client_metadata().end() &&
         std::string_view(found->second.data(), found->second.size()) == "true";
}

}  // namespace

StreamReactor* StreamReactor::Start(InferenceState* state, grpc::CallbackServerContext* context) {
  std::shared_ptr<StreamReactor> reactor(new StreamReactor(state, context));
  reactor->self_ = reactor;
  reactor->StartRead(&reactor->read_);
  return reactor.get();
}

StreamReactor::StreamReactor(InferenceState* state, grpc::CallbackServerContext* context)
    : state_(state), context_(context), errors_end_it_(AsksForGrpcErrors(*context)) {}

void StreamReactor::OnReadDone(bool ok) {
  bool takes = false;
  {
    MutexLock lock(&mutex_);
    takes = ok && !closing_;
    if (takes) ++reading_;
    if (!takes) read_all_ = true;
  }
  if (!takes) return Pump();

  const int number = next_number_++;
  const auto wake = [weak = weak_from_this(), number] {
    const auto self = weak.lock();
    if (self == nullptr) return;
    {
      MutexLock lock(&self->mutex_);
      self->ready_.push_back(number);
    }
    self->Pump();
  };
  const auto call =
      std::make_shared<InferCall>(GenerateCall::Rpc::kModelStreamInfer, state_, context_, read_, wake);
  bool closing = false, more = false;
  {
    MutexLock lock(&mutex_);
    calls_.emplace(number, call);
    ready_.push_back(number);
    closing = closing_;
    more = !closing_ && calls_.size() < kMaxRequests;
    paused_ = !more;
  }
  if (closing) call->Leave();
  if (more) StartRead(&read_);
  {
    MutexLock lock(&mutex_);
    --reading_;
  }
  Pump();
}

void StreamReactor::Pump() {
  for (;;) {
    // Whoever has the turn forgets calls, nobody else: it stays while the turn is ours. Not shared, for the
    // last one to drop it might do so after the stream's end, and the service's.
    InferCall* call = nullptr;
    int number = 0;
    grpc::Status end;
    {
      MutexLock lock(&mutex_);
      if (busy_) return;
      if (!ready_.empty()) {
        number = ready_.front();
        ready_.pop_front();
        call = calls_.at(number).get();
        busy_ = true;
      } else {
        if (finished_ || !calls_.empty() || reading_ > 0 || !(read_all_ || closing_)) return;
        finished_ = true;
        end = end_;
      }
    }
    if (call == nullptr) return Finish(end);
    if (call->decodes()) {
      state_->service->pool->Submit([self = shared_from_this(), number, call] {
        if (!self->Ask(number, call)) self->Pump();
      });
      return;
    }
    if (Ask(number, call)) return;
  }
}

bool StreamReactor::Ask(int number, InferCall* call) {
  InferCall::Item item = call->Next();
  if (auto* response = std::get_if<InferCall::Response>(&item)) {
    inference::ModelStreamInferResponse message;
    message.mutable_infer_response()->Swap(&response->message);
    return Write(number, false, response->final, &message);
  }
  if (const auto* status = std::get_if<absl::Status>(&item)) {
    return AnswerEnd(number, call->End(*status), *call);
  }
  GiveUpTurn();  // it will wake
  return false;
}

bool StreamReactor::AnswerEnd(int number, const grpc::Status& status, const InferCall& call) {
  bool closing = false;
  {
    MutexLock lock(&mutex_);
    closing = closing_;
  }
  if (!status.ok() && !closing && !errors_end_it_) {
    inference::ModelStreamInferResponse message;
    message.set_error_message(
        absl::StrCat(absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code())), ": ",
                     status.error_message()));
    message.mutable_infer_response()->set_id(call.id());
    return Write(number, true, true, &message);
  }
  if (!status.ok() && !closing) Close(status);
  Forget(number);
  GiveUpTurn();
  return false;
}

bool StreamReactor::Write(int number, bool last, bool final, inference::ModelStreamInferResponse* response) {
  (*response->mutable_infer_response()->mutable_parameters())["triton_final_response"].set_bool_param(final);
  {
    MutexLock lock(&mutex_);
    writing_ = number;
    last_ = last;
  }
  write_ = Serialize(*response);
  state_->service->observer->OnBytesSent(static_cast<int64_t>(write_.Length()));
  StartWrite(&write_);
  return true;
}

void StreamReactor::OnWriteDone(bool ok) {
  if (!ok) OnCancel();        // nobody reads any more
  InferCall* call = nullptr;  // which only who has the turn forgets
  int number = 0;
  bool last = false;
  {
    MutexLock lock(&mutex_);
    number = writing_;
    last = last_;
    call = calls_.at(number).get();
  }
  call->Written();  // other calls' messages may go before its next, and the reader is not to blame for them
  if (last) {
    Forget(number);
  } else {
    MutexLock lock(&mutex_);
    ready_.push_back(number);
  }
  GiveUpTurn();
  Pump();
}

void StreamReactor::GiveUpTurn() {
  MutexLock lock(&mutex_);
  busy_ = false;
}

void StreamReactor::Forget(int number) {
  std::shared_ptr<InferCall> call;  // dropped without the mutex
  bool resumes = false;
  {
    MutexLock lock(&mutex_);
    call = std::move(calls_.at(number));
    calls_.erase(number);
    resumes = paused_ && !closing_;
    if (resumes) paused_ = false;
  }
  if (resumes) StartRead(&read_);  // nobody finishes the stream while busy_ is ours
}

void StreamReactor::OnCancel() {
  Close(grpc::Status(grpc::StatusCode::CANCELLED, "the caller has gone"));
  Pump();
}

void StreamReactor::Close(const grpc::Status& end) {
  std::vector<std::shared_ptr<InferCall>> calls;
  {
    MutexLock lock(&mutex_);
    if (closing_) return;
    closing_ = true;
    end_ = end;
    for (const auto& [number, call] : calls_) calls.push_back(call);
  }
  for (const auto& call : calls) call->Leave();
}

}  // namespace easel
