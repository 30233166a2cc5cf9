// A field of a CSV line. Called by the tables of evaluations and of studies.
#pragma once

#include <string>

namespace duet {

// Quoted as RFC 4180 has it where it holds a comma, a quote or the end of a line.
inline std::string csv_field(const std::string& value) {
  if (value.find_first_of(",\"\r\n") == std::string::npos) return value;
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"') quoted += c;
    quoted += c;
  }
  quoted += '"';
  return quoted;
}

}  // namespace duet
