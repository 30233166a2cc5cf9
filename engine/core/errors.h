// Errors of the whole project: one exception type that carries the program's exit code.
// Called by every room. A message names the op, file, key or case, what was expected and what was found.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace duet {

// The program's exit codes (documented in README.md).
enum class ExitCode {
  done = 0,
  usage = 2,       // command line or config
  data = 3,        // an input image, label, data set or weights file
  filesystem = 4,  // a file or folder that cannot be read, written or created
  numerical = 5,   // a loss that is not finite
  device = 6,      // device absent, out of memory
  interrupted = 130
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// An error of a caller of the engine: shapes that do not fit, a graph used twice. A bug or a bad config,
// never bad data.
class EngineError : public Error {
 public:
  explicit EngineError(const std::string& message) : Error(ExitCode::usage, message) {}
};

// Joins its arguments with operator<< into one string.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace duet

// Throws EngineError with the joined message parts unless the condition holds.
#define DUET_CHECK(condition, ...)                                          \
  do {                                                                      \
    if (!(condition)) throw ::duet::EngineError(::duet::text(__VA_ARGS__)); \
  } while (false)
