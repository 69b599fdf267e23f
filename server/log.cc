#include "server/log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace easel {
namespace {

LogOptions g_options;  // written by InitLog alone

std::string Quote(std::string_view text) {
  // Bytes that are not UTF-8 become U+FFFD: a log line must never fail.
  return nlohmann::json(std::string(text)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Text(const LogField& field) {
  if (const auto* text = std::get_if<std::string>(&field.value)) {
    const bool plain = !text->empty() && std::all_of(text->begin(), text->end(), [](unsigned char c) {
      return c > ' ' && c < 0x7F && c != '"' && c != '=' && c != '\\';
    });
    return plain && g_options.format == LogOptions::Format::kText ? *text : Quote(*text);
  }
  if (const auto* number = std::get_if<int64_t>(&field.value)) return absl::StrCat(*number);
  return absl::StrFormat("%.4g", std::get<double>(field.value));
}

void Write(spdlog::level::level_enum level, std::string_view event, const std::vector<LogField>& fields) {
  spdlog::logger& logger = *spdlog::default_logger_raw();
  if (!logger.should_log(level)) return;
  const bool json = g_options.format == LogOptions::Format::kJson;
  std::string line = json ? absl::StrCat("\"event\":", Quote(event)) : std::string(event);
  for (const LogField& field : fields) {
    if (json) {
      absl::StrAppend(&line, ",", Quote(field.key), ":", Text(field));
    } else {
      line.append(" ").append(field.key).append("=").append(Text(field));
    }
  }
  logger.log(level, spdlog::string_view_t(line.data(), line.size()));
}

void WriteOfGrpc(gpr_log_func_args* args) { LogDebug("grpc", {{"message", std::string(args->message)}}); }

void WriteOfProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  LogDebug("protobuf", {{"message", message}});
}

}  // namespace

void InitLog(const LogOptions& options) {
  g_options = options;
  auto logger = std::make_shared<spdlog::logger>("easeld", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(spdlog::level::from_str(options.level));
  logger->set_pattern(options.format == LogOptions::Format::kJson
                          ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})"
                          : "%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  spdlog::set_default_logger(std::move(logger));
  // What they call errors is for debugging: we report what matters in our own words.
  gpr_set_log_function(WriteOfGrpc);
  google::protobuf::SetLogHandler(WriteOfProtobuf);
}

void LogDebug(std::string_view event, const std::vector<LogField>& fields) {
  Write(spdlog::level::debug, event, fields);
}
void LogInfo(std::string_view event, const std::vector<LogField>& fields) {
  Write(spdlog::level::info, event, fields);
}
void LogWarning(std::string_view event, const std::vector<LogField>& fields) {
  Write(spdlog::level::warn, event, fields);
}
void LogError(std::string_view event, const std::vector<LogField>& fields) {
  Write(spdlog::level::err, event, fields);
}

void LogCall(const CallRecord& record) {
  std::vector<LogField> fields = {{"rpc", std::string(record.rpc)},
                                  {"code", absl::StatusCodeToString(record.status.code())},
                                  {"seconds", record.seconds},
                                  {"peer", record.peer}};
  if (!record.generation_id.empty()) fields.push_back({"generation", record.generation_id});
  if (!record.tenant.empty()) fields.push_back({"tenant", record.tenant});
  if (!record.model.empty()) fields.push_back({"model", record.model});
  if (record.num_images > 0) {
    fields.insert(fields.end(), {{"steps", int64_t{record.steps}},
                                 {"size", absl::StrCat(record.width, "x", record.height)},
                                 {"images", int64_t{record.num_images}},
                                 {"queue_seconds", record.accounting.queue_seconds},
                                 {"batch", record.accounting.mean_batch_size}});
  }
  if (!record.traceparent.empty()) fields.push_back({"traceparent", record.traceparent});
  if (!record.status.ok()) fields.push_back({"message", std::string(record.status.message())});
  if (g_options.prompts && !record.prompt.empty()) fields.push_back({"prompt", record.prompt});

  const bool asks_only = record.generation_id.empty();
  const bool fault = record.status.code() == absl::StatusCode::kInternal;
  if (record.unheard) {
    Write(fault ? spdlog::level::err : spdlog::level::warn, "generation failed", fields);
  } else {
    Write(fault       ? spdlog::level::err
          : asks_only ? spdlog::level::debug
                      : spdlog::level::info,
          "call", fields);
  }
}

}  // namespace easel
