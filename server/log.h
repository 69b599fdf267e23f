// The log: one line an event on stderr, as `key=value` text or as JSON. Process-wide; any thread.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/service/service_observer.h"

namespace easel {

struct LogOptions {
  enum class Format { kText, kJson };
  Format format = Format::kText;
  std::string level = "info";  // debug, info, warning or error
  bool prompts = false;        // whether lines of calls tell the prompt
};

struct LogField {
  std::string_view key;
  std::variant<std::string, int64_t, double> value;
};

// Before anything is logged, and before other threads start.
void InitLog(const LogOptions& options);

void LogDebug(std::string_view event, const std::vector<LogField>& fields = {});
void LogInfo(std::string_view event, const std::vector<LogField>& fields = {});
void LogWarning(std::string_view event, const std::vector<LogField>& fields = {});
void LogError(std::string_view event, const std::vector<LogField>& fields = {});

// One call that has ended; those that only ask are told at level debug. A failure that was unheard is a
// warning, or an error where the fault is ours.
void LogCall(const CallRecord& record);

}  // namespace easel
