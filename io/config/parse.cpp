// The walk from positioned JSON to typed values: each finding becomes a line of ConfigErrors, and the walk
// goes on.
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "engine/core/errors.h"
#include "io/config/config.h"
#include "io/config/nearest_name.h"
#include "io/files/files.h"
#include "io/files/json_tree.h"

namespace duet {
namespace {

constexpr std::size_t kLargestFile = std::size_t{1} << 20;
using Kind = JsonNode::Kind;

// What one walk over a file or over one --set needs.
struct Walk {
  const ConfigSchema& schema;
  ConfigValues& values;
  ConfigErrors& errors;
  std::function<std::string(TextPosition)> where;  // how a position is named
  bool bare_text = false;                          // --set: numbers and words are text where text is expected
  std::string whole;                               // --set: the value as it was written
  std::map<std::string, TextPosition> seen;
};

bool in_bounds(const KeySpec& spec, double value) {
  return std::isfinite(value) && value >= spec.min && value <= spec.max;
}

// 500, and 5e2 or 500.0, too: integers that people write as numbers.
std::optional<Index> integer_of(const JsonNode& node) {
  if (node.is(Kind::integer)) return node.integer;
  if (!node.is(Kind::number) || node.number != std::floor(node.number)) return std::nullopt;
  if (std::abs(node.number) > 0x1p53) return std::nullopt;
  return static_cast<Index>(node.number);
}

bool is_number(const JsonNode& node) { return node.is(Kind::integer) || node.is(Kind::number); }

std::optional<ConfigValue> triple_of(const KeySpec& spec, const JsonNode& node) {
  if (!node.is(Kind::list) || node.items.size() != 3) return std::nullopt;
  Triple triple{};
  for (std::size_t i = 0; i < 3; ++i) {
    const std::optional<Index> item = integer_of(node.items[i]);
    if (!item || !in_bounds(spec, static_cast<double>(*item))) return std::nullopt;
    triple[i] = *item;
  }
  return triple;
}

std::optional<ConfigValue> numbers_of(const KeySpec& spec, const JsonNode& node) {
  if (!node.is(Kind::list)) return std::nullopt;
  std::vector<double> numbers;
  for (const JsonNode& item : node.items) {
    if (!is_number(item) || !in_bounds(spec, item.number)) return std::nullopt;
    numbers.push_back(item.number);
  }
  return numbers;
}

// The value, or nothing where it is not what the key expects.
std::optional<ConfigValue> convert(const KeySpec& spec, const JsonNode& node) {
  switch (spec.type) {
    case KeyType::boolean:
      if (node.is(Kind::boolean)) return node.boolean;
      return std::nullopt;
    case KeyType::integer: {
      const std::optional<Index> value = integer_of(node);
      if (value && in_bounds(spec, static_cast<double>(*value))) return *value;
      return std::nullopt;
    }
    case KeyType::number:
      if (is_number(node) && in_bounds(spec, node.number)) return node.number;
      return std::nullopt;
    case KeyType::string:
      if (node.is(Kind::string)) return node.text;
      return std::nullopt;
    case KeyType::choice:
      for (const std::string& choice : spec.choices) {
        if (node.is(Kind::string) && node.text == choice) return choice;
      }
      return std::nullopt;
    case KeyType::triple:
      return triple_of(spec, node);
    case KeyType::numbers:
      return numbers_of(spec, node);
  }
  return std::nullopt;
}

// "a list of 2", or the list itself where it is short enough to show which item is wrong.
std::string found_text(const JsonNode& node) {
  if (!node.is(Kind::list) || node.items.size() > 8) return describe(node);
  std::string items;
  for (const JsonNode& item : node.items) {
    const std::string shown = is_number(item) ? visible(item.text, 40) : describe(item);
    items += items.empty() ? "" : ", ";
    items += shown;
  }
  return text("the list [", items, ']');
}

std::string did_you_mean(const std::string& name, const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(name, known);
  return nearest.empty() ? "" : text("; did you mean '", nearest, "'?");
}

void read_value(Walk& walk, const KeySpec& spec, const JsonNode& given) {
  JsonNode node = given;
  const bool wants_text = spec.type == KeyType::string || spec.type == KeyType::choice;
  if (walk.bare_text && wants_text && !node.is(Kind::string) && !node.is(Kind::object)) {
    node.kind = Kind::string;
    node.text = walk.whole;
  }
  const std::string where = walk.where(node.position);
  if (std::optional<ConfigValue> value = convert(spec, node)) {
    walk.values.assign(spec.name, std::move(*value), where);
    return;
  }
  std::string hint;
  if (spec.type == KeyType::choice && node.is(Kind::string)) hint = did_you_mean(node.text, spec.choices);
  walk.errors.add(
      text(where, ": ", spec.name, ": expected ", expected_value(spec), ", found ", found_text(node), hint));
  walk.values.mark_faulty(spec.name, where);
}

std::string keys_of_section(const ConfigSchema& schema, const std::string& section) {
  std::string keys;
  for (const KeySpec& spec : schema) {
    if (spec.name.starts_with(section + ".")) {
      keys += keys.empty() ? "" : ", ";
      keys += spec.name.substr(section.size() + 1);
    }
  }
  return keys;
}

void read_members(Walk& walk, const std::string& prefix, const JsonNode& object);

void read_member(Walk& walk, const std::string& name, const JsonMember& member) {
  const std::string where = walk.where(member.position);
  const auto [first, fresh] = walk.seen.emplace(name, member.position);
  if (!fresh) {
    walk.errors.add(text(where, ": ", visible(name), ": expected each key once, found it twice; first at ",
                         walk.where(first->second)));
    return;
  }
  if (const KeySpec* spec = find_key(walk.schema, name)) return read_value(walk, *spec, member.value);
  const std::string keys = keys_of_section(walk.schema, name);
  if (keys.empty()) {
    walk.errors.add(
        text(where, ": ", visible(name), ": unknown key", did_you_mean(name, key_names(walk.schema))));
  } else if (!member.value.is(Kind::object)) {
    walk.errors.add(text(walk.where(member.value.position), ": ", name,
                         ": expected an object with keys among ", keys, ", found ", describe(member.value)));
  } else {
    read_members(walk, name + ".", member.value);
  }
}

void read_members(Walk& walk, const std::string& prefix, const JsonNode& object) {
  for (const JsonMember& member : object.members) read_member(walk, prefix + member.key, member);
}

void read_config_file(const std::filesystem::path& file, Walk& walk) {
  const JsonLimits limits = {
      .bytes = kLargestFile, .depth = 16, .values = 100'000, .refuse_duplicates = false, .comments = true};
  const JsonParse parse = parse_json(read_file(file, limits.bytes, ExitCode::usage), limits);
  if (parse.problem) {
    const std::string where = walk.where(parse.problem->position);
    walk.errors.add(text(where, ": ", parse.problem->message));
    for (const KeySpec& key : walk.schema) walk.values.mark_faulty(key.name, where);  // it may well be there
  } else if (!parse.root.is(Kind::object)) {
    walk.errors.add(
        text(walk.where(parse.root.position), ": expected an object, found ", describe(parse.root)));
  } else {
    read_members(walk, "", parse.root);
  }
}

void read_override(const std::string& override_text, Walk& walk) {
  const std::size_t equals = override_text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    walk.errors.add(text(walk.where({}), ": expected KEY=VALUE"));
    return;
  }
  walk.whole = override_text.substr(equals + 1);
  JsonParse parse = parse_json(walk.whole, {.bytes = kLargestFile, .depth = 16, .refuse_duplicates = false});
  JsonMember member{override_text.substr(0, equals), {}, std::move(parse.root)};
  if (parse.problem) {
    member.value.kind = Kind::string;
    member.value.text = walk.whole;
  }
  read_member(walk, member.key, member);
}

}  // namespace

ConfigValues read_config(const std::filesystem::path& file, const std::vector<std::string>& overrides,
                         const ConfigSchema& schema, ConfigErrors& errors) {
  ConfigValues values(schema, file.string());
  if (!file.empty()) {
    const auto where = [&](TextPosition at) { return text(file.string(), ':', at.line, ':', at.column); };
    Walk walk = {schema, values, errors, where, false, "", {}};
    read_config_file(file, walk);
  }
  for (const std::string& one : overrides) {
    const auto where = [&](TextPosition) { return "--set " + visible(one, 120); };
    Walk walk = {schema, values, errors, where, true, "", {}};
    read_override(one, walk);
  }
  return values;
}

}  // namespace duet
