#pragma once

#include <initializer_list>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace paddock {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// One key=value pair of a log line; values with spaces, quotes or control characters are quoted and
// escaped.
struct LogField {
  LogField(absl::string_view k, absl::string_view v) : key(k), value(v) {}
  LogField(absl::string_view k, const char* v) : key(k), value(v) {}
  template <typename T>
  LogField(absl::string_view k, const T& v) : key(k), value(absl::StrCat(v)) {}
  std::string key;
  std::string value;
};

// Writes one line to stderr: `time=… level=… msg="…" key=value …`. Thread-safe; a line is never
// torn. Never pass secrets.
void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});

// The lowest level that is written; kInfo at start.
void SetLogLevel(LogLevel level);

inline void LogDebug(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, message, fields);
}

}  // namespace paddock
