// A config: the values of every key of a schema, from a JSON file and from `--set key=value`, and where each
// came from. Called by tools (reading) and cotrain (values, checks across keys). Always: every key of the
// schema has a value of its type and within its bounds; all errors are reported at once.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/config/schema.h"

namespace duet {

// Collects one line an error, so that a person sees all of them in one go.
class ConfigErrors {
 public:
  void add(std::string line) { lines_.push_back(std::move(line)); }
  bool empty() const { return lines_.empty(); }
  const std::vector<std::string>& lines() const { return lines_; }
  void throw_if_any() const;  // Error(usage), the lines joined by line breaks

 private:
  std::vector<std::string> lines_;
};

class ConfigValues {
 public:
  // All defaults. `source` names the file in messages; may be empty. EngineError where the schema contradicts
  // itself.
  explicit ConfigValues(ConfigSchema schema, std::string source = "");

  // A name or type that is not the schema's is a bug: EngineError.
  bool get_bool(const std::string& key) const { return get<bool>(key); }
  Index get_int(const std::string& key) const { return get<Index>(key); }
  double get_number(const std::string& key) const { return get<double>(key); }
  const std::string& get_string(const std::string& key) const {
    return get<std::string>(key);
  }  // and of a choice
  Triple get_triple(const std::string& key) const { return get<Triple>(key); }
  const std::vector<double>& get_numbers(const std::string& key) const {
    return get<std::vector<double>>(key);
  }

  bool was_set(const std::string& key) const;       // by the file, --set or assign; false: the default
  std::string where(const std::string& key) const;  // "file:line:column", "--set key=value" or "file"
  const ConfigSchema& schema() const { return schema_; }

  // Sets a value that the program found out itself (or a parser read), with its origin for messages.
  void assign(const std::string& key, ConfigValue value, std::string where);

  // A caller's own check failed: adds `where: key: message`. Nothing is added for a key that has an error
  // already, as its value is then only the default.
  void fail(ConfigErrors& errors, const std::string& key, const std::string& message) const;
  void mark_faulty(const std::string& key, std::string where);

 private:
  struct Entry {
    ConfigValue value;
    std::string where;
    bool set = false, faulty = false;
  };
  const Entry& entry(const std::string& key) const;
  template <class T>
  const T& get(const std::string& key) const;

  ConfigSchema schema_;
  std::string source_;
  std::map<std::string, Entry> entries_;
};

// Reads a file of at most 1 MiB (JSON; // comments are taken), then the overrides ("training.iterations=500",
// without --set) in their order. Errors go to `errors`; keys in error keep their defaults, so that the
// caller's own checks can still run:
//   ConfigErrors errors; auto values = read_config(file, sets, schema, errors); check(values, errors);
//   errors.throw_if_any();
// An empty `file` means no file. A file that cannot be read is Error(usage) at once.
// An override's value is JSON where it parses as JSON, otherwise text; for a key of text it may always be
// bare.
ConfigValues read_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                         const ConfigSchema& schema, ConfigErrors& errors);

// The same, throwing every error at once: Error(usage).
ConfigValues parse_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                          const ConfigSchema& schema);

// Every key with its value, nested and indented, in the schema's order; parse_config reads it back to the
// same values.
std::string to_json(const ConfigValues& values);

}  // namespace duet
