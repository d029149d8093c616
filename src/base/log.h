// Log lines for operators, on standard error. Never a secret, never a user's text.
#pragma once

#include <string_view>

namespace panal {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Lines below `level` are dropped. The default is kWarning, or what PANAL_LOG says: debug, info,
/// warning, error.
void set_log_level(LogLevel level);
void log(LogLevel level, std::string_view message);
inline void log_info(std::string_view message) { log(LogLevel::kInfo, message); }
inline void log_warning(std::string_view message) { log(LogLevel::kWarning, message); }
inline void log_error(std::string_view message) { log(LogLevel::kError, message); }

}  // namespace panal
