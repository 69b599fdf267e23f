// Messages as JSON, for scripts: proto3's mapping with the proto's field names (64-bit numbers are strings).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "easel/v1/image_generation.pb.h"

namespace easel {

// One line, without a line break. Fields without presence are there even when 0.
std::string ToJson(const google::protobuf::Message& message);

// An event without its picture's bytes; `file`, when not empty, says in a key of that name where they were
// written.
std::string EventToJson(const v1::GenerationEvent& event, std::string_view file);

// A generation without its pictures' bytes; `files`, when not empty, says in a key of that name where they
// were written.
std::string GenerationToJson(const v1::Generation& generation, const std::vector<std::string>& files);

}  // namespace easel
