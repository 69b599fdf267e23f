// Messages to and from the bytes of a call. The generating calls take bytes and not messages, because gRPC
// answers UNIMPLEMENTED, with no word about why, for a request that does not parse; and because bytes are
// what metrics count.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/byte_buffer.h>

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace easel {

bool IsUtf8(std::string_view text);

// InvalidArgument naming each string field that is not UTF-8, or saying that the bytes are no such message.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::Message* message);

template <typename Message>
absl::StatusOr<Message> Parse(const grpc::ByteBuffer& bytes) {
  Message message;
  if (absl::Status status = ParseMessage(bytes, &message); !status.ok()) return status;
  return message;
}

grpc::ByteBuffer Serialize(const google::protobuf::Message& message);

}  // namespace easel
