#include "io/config/config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/core/errors.h"

namespace duet {
namespace {

std::size_t alternative_of(KeyType type) {
  switch (type) {
    case KeyType::boolean:
      return 0;
    case KeyType::integer:
      return 1;
    case KeyType::number:
      return 2;
    case KeyType::string:
    case KeyType::choice:
      return 3;
    case KeyType::triple:
      return 4;
    case KeyType::numbers:
      return 5;
  }
  return 0;
}

void check_spec(const KeySpec& spec, const std::vector<std::string>& names) {
  DUET_CHECK(!spec.name.empty(), "config schema: a key without a name");
  DUET_CHECK(std::count(names.begin(), names.end(), spec.name) == 1, "config schema: key ", spec.name,
             " twice");
  DUET_CHECK(spec.fallback.index() == alternative_of(spec.type), "config schema: default of ", spec.name,
             " is not of the key's type");
  for (const std::string& other : names) {
    DUET_CHECK(!other.starts_with(spec.name + "."), "config schema: ", spec.name,
               " is a key and the section of ", other);
  }
}

}  // namespace

void ConfigErrors::throw_if_any() const {
  if (lines_.empty()) return;
  std::string all;
  for (const std::string& line : lines_) {
    all += all.empty() ? "" : "\n";
    all += line;
  }
  throw Error(ExitCode::usage, all);
}

ConfigValues::ConfigValues(ConfigSchema schema, std::string source)
    : schema_(std::move(schema)), source_(std::move(source)) {
  const std::vector<std::string> names = key_names(schema_);
  for (const KeySpec& spec : schema_) {
    check_spec(spec, names);
    entries_[spec.name].value = spec.fallback;
  }
}

const ConfigValues::Entry& ConfigValues::entry(const std::string& key) const {
  const auto found = entries_.find(key);
  DUET_CHECK(found != entries_.end(), "config: no key ", key, " in the schema");
  return found->second;
}

template <class T>
const T& ConfigValues::get(const std::string& key) const {
  const T* value = std::get_if<T>(&entry(key).value);
  DUET_CHECK(value, "config: key ", key, " is asked for as a type it does not have");
  return *value;
}

template const bool& ConfigValues::get<bool>(const std::string&) const;
template const Index& ConfigValues::get<Index>(const std::string&) const;
template const double& ConfigValues::get<double>(const std::string&) const;
template const std::string& ConfigValues::get<std::string>(const std::string&) const;
template const Triple& ConfigValues::get<Triple>(const std::string&) const;
template const std::vector<double>& ConfigValues::get<std::vector<double>>(const std::string&) const;

bool ConfigValues::was_set(const std::string& key) const { return entry(key).set; }

std::string ConfigValues::where(const std::string& key) const {
  const Entry& found = entry(key);
  if (!found.where.empty()) return found.where;
  return source_.empty() ? "config" : source_;
}

void ConfigValues::assign(const std::string& key, ConfigValue value, std::string where) {
  DUET_CHECK(entry(key).value.index() == value.index(), "config: key ", key,
             " is set to a type it does not have");
  entries_[key] = {std::move(value), std::move(where), true, entries_[key].faulty};
}

void ConfigValues::mark_faulty(const std::string& key, std::string where) {
  DUET_CHECK(entries_.count(key), "config: no key ", key, " in the schema");
  entries_[key].faulty = true;
  entries_[key].where = std::move(where);
}

void ConfigValues::fail(ConfigErrors& errors, const std::string& key, const std::string& message) const {
  const Entry& found = entry(key);
  if (found.faulty) return;
  const std::string by_default = found.set ? "" : text(" (default ", value_text(found.value), ')');
  errors.add(text(where(key), ": ", key, by_default, ": ", message));
}

ConfigValues parse_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                          const ConfigSchema& schema) {
  ConfigErrors errors;
  ConfigValues values = read_config(file, overrides, schema, errors);
  errors.throw_if_any();
  return values;
}

std::string to_json(const ConfigValues& values) {
  using Json = nlohmann::ordered_json;
  Json root = Json::object();
  for (const KeySpec& spec : values.schema()) {
    Json* at = &root;
    std::size_t begin = 0;
    for (std::size_t dot; (dot = spec.name.find('.', begin)) != std::string::npos; begin = dot + 1) {
      at = &(*at)[spec.name.substr(begin, dot - begin)];
    }
    Json& leaf = (*at)[spec.name.substr(begin)];
    switch (spec.type) {
      case KeyType::boolean:
        leaf = values.get_bool(spec.name);
        break;
      case KeyType::integer:
        leaf = values.get_int(spec.name);
        break;
      case KeyType::number:
        leaf = values.get_number(spec.name);
        break;
      case KeyType::string:
      case KeyType::choice:
        leaf = values.get_string(spec.name);
        break;
      case KeyType::triple:
        leaf = values.get_triple(spec.name);
        break;
      case KeyType::numbers:
        leaf = values.get_numbers(spec.name);
        break;
    }
  }
  return root.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace duet
