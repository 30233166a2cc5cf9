#include "io/config/schema.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/core/errors.h"

namespace duet {
namespace {

std::string number_text(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) return std::to_string(static_cast<Index>(value));
  return nlohmann::json(value).dump();
}

std::string bounds(const KeySpec& spec) {
  const bool low = std::isfinite(spec.min), high = std::isfinite(spec.max);
  if (low && high) return text(" from ", number_text(spec.min), " to ", number_text(spec.max));
  if (low) return text(" of at least ", number_text(spec.min));
  if (high) return text(" of at most ", number_text(spec.max));
  return "";
}

}  // namespace

KeySpec bool_key(std::string name, bool fallback, std::string explanation) {
  return {.name = std::move(name),
          .type = KeyType::boolean,
          .fallback = fallback,
          .choices = {},
          .explanation = std::move(explanation)};
}
KeySpec integer_key(std::string name, Index fallback, double min, double max, std::string explanation) {
  return {std::move(name), KeyType::integer, fallback, min, max, {}, std::move(explanation)};
}
KeySpec number_key(std::string name, double fallback, double min, double max, std::string explanation) {
  return {std::move(name), KeyType::number, fallback, min, max, {}, std::move(explanation)};
}
KeySpec string_key(std::string name, std::string fallback, std::string explanation) {
  return {.name = std::move(name),
          .type = KeyType::string,
          .fallback = std::move(fallback),
          .choices = {},
          .explanation = std::move(explanation)};
}
KeySpec triple_key(std::string name, Triple fallback, double min, double max, std::string explanation) {
  return {std::move(name), KeyType::triple, fallback, min, max, {}, std::move(explanation)};
}
KeySpec numbers_key(std::string name, std::vector<double> fallback, double min, double max,
                    std::string explanation) {
  return {std::move(name), KeyType::numbers, std::move(fallback), min, max, {}, std::move(explanation)};
}
KeySpec choice_key(std::string name, std::string fallback, std::vector<std::string> choices,
                   std::string explanation) {
  return {.name = std::move(name),
          .type = KeyType::choice,
          .fallback = std::move(fallback),
          .choices = std::move(choices),
          .explanation = std::move(explanation)};
}

const KeySpec* find_key(const ConfigSchema& schema, const std::string& name) {
  const auto found =
      std::find_if(schema.begin(), schema.end(), [&](const KeySpec& spec) { return spec.name == name; });
  return found == schema.end() ? nullptr : &*found;
}

std::vector<std::string> key_names(const ConfigSchema& schema) {
  std::vector<std::string> names;
  for (const KeySpec& spec : schema) names.push_back(spec.name);
  return names;
}

std::string expected_value(const KeySpec& spec) {
  switch (spec.type) {
    case KeyType::boolean:
      return "true or false";
    case KeyType::integer:
      return "an integer" + bounds(spec);
    case KeyType::number:
      return "a number" + bounds(spec);
    case KeyType::string:
      return "text";
    case KeyType::triple:
      return "a list of three integers" + (bounds(spec).empty() ? "" : ", each" + bounds(spec));
    case KeyType::numbers:
      return "a list of numbers" + (bounds(spec).empty() ? "" : ", each" + bounds(spec));
    case KeyType::choice:
      break;
  }
  std::string all;
  for (const std::string& choice : spec.choices) all += text(all.empty() ? "" : ", ", '\'', choice, '\'');
  return "one of " + all;
}

std::string value_text(const ConfigValue& value) {
  return std::visit(
      [](const auto& v) {
        return nlohmann::json(v).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
      },
      value);
}

std::string explain(const ConfigSchema& schema) {
  std::string all;
  for (const KeySpec& spec : schema) {
    all += text(spec.name, "  (", expected_value(spec), "; default ", value_text(spec.fallback), ")\n    ",
                spec.explanation, "\n");
  }
  return all;
}

}  // namespace duet
