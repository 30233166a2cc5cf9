// JSON as a tree of plain values that knows where each stood in the text, so that messages can say
// file:line:column. Called by config, dataset and weights, whose files come from outside. Always: limits on
// depth, on the number of values and (for files) on bytes hold before memory is taken.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/core/errors.h"
#include "engine/core/shape.h"

namespace duet {

struct TextPosition {
  Index line = 1, column = 1;  // from 1; columns count characters (UTF-8 code points)
  friend bool operator==(const TextPosition&, const TextPosition&) = default;
};

struct JsonMember;

struct JsonNode {
  enum class Kind { null, boolean, integer, number, string, list, object };
  Kind kind = Kind::null;
  bool boolean = false;
  Index integer = 0;                // of an integer
  double number = 0;                // of an integer or a number; always finite
  std::string text;                 // of a string; of a number as it was written
  std::vector<JsonNode> items;      // of a list
  std::vector<JsonMember> members;  // of an object, in the text's order
  TextPosition position;            // of the value's first character

  bool is(Kind wanted) const { return kind == wanted; }
  const JsonNode* find(std::string_view key) const;  // the first member of that name, or null
};

struct JsonMember {
  std::string key;
  TextPosition position;  // of the key's quote
  JsonNode value;
};

struct JsonLimits {
  std::size_t bytes = std::size_t{16} << 20;
  std::size_t depth = 32;
  std::size_t values = 1'000'000;
  bool refuse_duplicates = true;  // a key twice in one object is an error
  bool comments = false;          // take // and /* */ comments
};

struct JsonProblem {
  TextPosition position;
  std::string message;
};

// The tree, or what is wrong with the text and where. Strict JSON; integers beyond 64 bits become numbers,
// numbers beyond double are a problem.
struct JsonParse {
  JsonNode root;
  std::optional<JsonProblem> problem;
};
JsonParse parse_json(std::string_view text, const JsonLimits& limits = {});

// Reads and parses a file; any failure is Error(code), where there is a position as `file:line:column:
// message`.
JsonNode read_json_file(const std::filesystem::path& path, const JsonLimits& limits, ExitCode code);

// A value in a few words for "found ...": `text "abc"`, `number 1.5`, `a list of 3`, `null`.
std::string describe(const JsonNode& node);

// Text for a message: quotes and control characters made visible, cut after `limit` bytes.
std::string visible(std::string_view text, std::size_t limit = 60);

}  // namespace duet
