// What keys a config has: name, type, default, bounds and one line of explanation each.
// The program's keys are declared in cotrain; this room knows none of them.
#pragma once

#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "engine/core/shape.h"

namespace duet {

enum class KeyType { boolean, integer, number, string, triple, numbers, choice };

// One alternative a key type, in this order: boolean, integer, number, string and choice, triple, numbers.
using ConfigValue = std::variant<bool, Index, double, std::string, Triple, std::vector<double>>;

struct KeySpec {
  std::string name;  // dotted: "training.iterations" stands in the file as {"training": {"iterations": 500}}
  KeyType type = KeyType::string;
  ConfigValue fallback;  // the default
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices;  // of a choice
  std::string explanation;
};

using ConfigSchema = std::vector<KeySpec>;

KeySpec bool_key(std::string name, bool fallback, std::string explanation);
KeySpec integer_key(std::string name, Index fallback, double min, double max, std::string explanation);
KeySpec number_key(std::string name, double fallback, double min, double max, std::string explanation);
KeySpec string_key(std::string name, std::string fallback, std::string explanation);
KeySpec triple_key(std::string name, Triple fallback, double min, double max, std::string explanation);
KeySpec numbers_key(std::string name, std::vector<double> fallback, double min, double max,
                    std::string explanation);
KeySpec choice_key(std::string name, std::string fallback, std::vector<std::string> choices,
                   std::string explanation);

// The spec of that name, or null.
const KeySpec* find_key(const ConfigSchema& schema, const std::string& name);

// Names of all keys, in the schema's order.
std::vector<std::string> key_names(const ConfigSchema& schema);

// What a value of that key may be, in words: "an integer from 1 to 100", "one of 'sgd', 'adamw'".
std::string expected_value(const KeySpec& spec);

// A value as it would stand in JSON.
std::string value_text(const ConfigValue& value);

// Every key with type, default and explanation, for `duet config --explain`.
std::string explain(const ConfigSchema& schema);

}  // namespace duet
