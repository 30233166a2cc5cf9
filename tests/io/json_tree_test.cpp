#include "io/files/json_tree.h"

#include <doctest/doctest.h>

#include "engine/core/philox.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;
using Kind = JsonNode::Kind;

TEST_CASE("every value and key knows its line and column") {
  const JsonParse parse = parse_json(
      "{\n"
      "  \"a\": 12,\"b\" :  -1.5e2 ,\n"
      "\t\"c\": [true,null,\n"
      "    \"x\\\"{y\", {\"d\":{}}],\n"
      "  \"\xC3\xA9\xC3\xA9\": 18446744073709551615}");
  REQUIRE_FALSE(parse.problem);
  const JsonNode& root = parse.root;
  CHECK(root.position == TextPosition{1, 1});
  REQUIRE(root.members.size() == 4);
  CHECK(root.members[0].position == TextPosition{2, 3});
  CHECK(root.members[0].value.position == TextPosition{2, 8});
  CHECK(root.members[0].value.integer == 12);
  CHECK(root.members[1].position == TextPosition{2, 11});
  CHECK(root.members[1].value.position == TextPosition{2, 18});
  CHECK(root.members[1].value.number == -150.0);
  const JsonNode& list = *root.find("c");
  CHECK(list.position == TextPosition{3, 7});
  CHECK(list.items[0].position == TextPosition{3, 8});
  CHECK(list.items[1].position == TextPosition{3, 13});
  CHECK(list.items[2].position == TextPosition{4, 5});
  CHECK(list.items[2].text == "x\"{y");
  CHECK(list.items[3].position == TextPosition{4, 14});
  CHECK(list.items[3].members[0].position == TextPosition{4, 15});
  CHECK(list.items[3].members[0].value.position == TextPosition{4, 19});
  CHECK(root.members[3].position == TextPosition{5, 3});
  CHECK(root.members[3].value.position == TextPosition{5, 9});  // characters, not bytes
  CHECK(root.members[3].value.is(Kind::number));                // beyond 64 bits with a sign
}

TEST_CASE("what is not JSON is said with its position") {
  struct Row {
    const char* text;
    TextPosition position;
    const char* message;
  };
  const Row rows[] = {
      {"", {1, 1}, "unexpected end of input"},
      {"{\"a\": 1,}", {1, 9}, "unexpected '}'"},
      {"{\"a\": 1 2}", {1, 9}, "unexpected number"},
      {"{\n\"a\" 1}", {2, 5}, "expected ':'"},
      {"{\n  \"a\": tru}", {2, 8}, "invalid literal"},
      {"{\"a\": NaN}", {1, 7}, "invalid literal"},
      {"{\"a\": 1e999}", {1, 7}, "number overflow"},
      {"[1, 2\n", {2, 1}, "unexpected end of input"},
      {"{} {}", {1, 4}, "expected end of input"},
      {"{\"a\": 1, \"a\": 2}", {1, 10}, "stands twice"},
      {"[\"\xFF\"]", {1, 2}, "UTF-8"},
      {"// no\n{}", {1, 1}, "invalid"},
  };
  for (const Row& row : rows) {
    const JsonParse parse = parse_json(row.text);
    CAPTURE(row.text);
    REQUIRE(parse.problem);
    CAPTURE(parse.problem->message);
    CHECK(parse.problem->position.line == row.position.line);
    CHECK(parse.problem->position.column == row.position.column);
    CHECK(parse.problem->message.find(row.message) != std::string::npos);
    CHECK(parse.problem->message.find("json.exception") == std::string::npos);
  }
}

TEST_CASE("limits on depth and values hold; a byte-order mark is skipped") {
  const JsonParse deep = parse_json(std::string(1'000'000, '['));
  REQUIRE(deep.problem);
  CHECK(deep.problem->message == "nested deeper than 32 levels");
  CHECK(deep.problem->position.column == 33);
  const JsonParse many = parse_json("[1,2,3,4]", {.values = 4});
  REQUIRE(many.problem);
  CHECK(many.problem->message == "more than 4 values");
  const JsonParse marked = parse_json("\xEF\xBB\xBF{}");
  CHECK_FALSE(marked.problem);
  CHECK(marked.root.position == TextPosition{1, 1});
  CHECK_FALSE(parse_json("{\"a\":1,\"a\":2}", {.refuse_duplicates = false}).problem);
}

TEST_CASE("read_json_file names file, line and column") {
  const TemporaryFolder folder;
  const auto file = folder.write("a.json", "{\n  x}");
  expect_error(caught([&] { read_json_file(file, {}, ExitCode::data); }), ExitCode::data,
               {file.string() + ":2:3: "});
  expect_error(caught([&] { read_json_file(file, {.bytes = 3}, ExitCode::data); }), ExitCode::data,
               {"at most 3"});
}

TEST_CASE("changed bytes never crash the reader") {
  const std::string good =
      "{\"a\": [1, -2.5e3, \"t\\u00e9\\n\"], \"b\": {\"c\": null, \"d\": [[], {}]}, \"e\": false}";
  REQUIRE_FALSE(parse_json(good).problem);
  int refused = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    const PhiloxKey key = {.seed = 5, .stream = Stream::test, .step = i};
    std::string bad = good;
    for (std::uint32_t change = 0; change <= draw_below(key, 0, 0, 3); ++change) {
      const std::uint32_t at = draw_below(key, 1, change, static_cast<std::uint32_t>(bad.size()));
      bad[at] = static_cast<char>(draw_bits(key, 2, change));
    }
    refused += parse_json(bad).problem.has_value();
  }
  CHECK(refused > 500);
}
