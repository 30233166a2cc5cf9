#include "io/config/config.h"

#include <doctest/doctest.h>
#include <limits>

#include "io/config/nearest_name.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

ConfigSchema test_schema() {
  return {
      string_key("data.dataset", "", "The dataset.json to train on."),
      integer_key("training.iterations", 1000, 1, 1e6, "Optimiser steps."),
      number_key("training.rate", 0.01, 0, 1, "Learning rate."),
      bool_key("training.augment", true, "Flips and jitter."),
      triple_key("training.patch", {32, 32, 32}, 1, 512, "Patch size D, H, W."),
      numbers_key("training.weights", {1.0, 2.5}, 0, 10, "Weight of each class."),
      choice_key("method.name", "udct", {"supervised", "udct"}, "What is trained."),
      integer_key("seed", 1, 0, 9e18, "Of all random numbers."),
  };
}

const std::string kGood = R"({
  "data": {"dataset": "a/dataset.json"},
  "training": {"iterations": 5e2, "rate": 1, "augment": false,
               "patch": [8, 16, 24], "weights": [0.5, 1]},
  "method.name": "supervised"
})";

}  // namespace

TEST_CASE("values come from the file, then from --set, else from the defaults") {
  const TemporaryFolder folder;
  const auto file = folder.write("c.json", kGood);
  const ConfigValues values = parse_config(
      file, {"training.rate=0.25", "training.patch=[1,2,3]", "data.dataset=../x=y.json"}, test_schema());
  CHECK(values.get_int("training.iterations") == 500);
  CHECK(values.get_number("training.rate") == 0.25);
  CHECK_FALSE(values.get_bool("training.augment"));
  CHECK(values.get_triple("training.patch") == Triple{1, 2, 3});
  CHECK(values.get_numbers("training.weights") == std::vector<double>{0.5, 1});
  CHECK(values.get_string("method.name") == "supervised");
  CHECK(values.get_string("data.dataset") == "../x=y.json");
  CHECK(values.get_int("seed") == 1);
  CHECK(values.was_set("training.rate"));
  CHECK_FALSE(values.was_set("seed"));
  CHECK(values.where("training.iterations") == file.string() + ":3:30");
  CHECK(values.where("training.rate") == "--set training.rate=0.25");
  CHECK(values.where("seed") == file.string());
}

TEST_CASE("--set: bare words, numbers as text, objects, the last one wins") {
  const ConfigValues values = parse_config(
      "", {"data.dataset=5", "seed=1", "seed=2", "method={\"name\": \"supervised\"}", "training.rate=1e-3"},
      test_schema());
  CHECK(values.get_string("data.dataset") == "5");
  CHECK(values.get_int("seed") == 2);
  CHECK(values.get_string("method.name") == "supervised");
  CHECK(values.get_number("training.rate") == 1e-3);
  CHECK(parse_config("", {"data.dataset=\"q\""}, test_schema()).get_string("data.dataset") == "q");
  CHECK(parse_config("", {"data.dataset="}, test_schema()).get_string("data.dataset").empty());
}

TEST_CASE("bad files, each with position, key, expected and found") {
  struct Row {
    const char* contents;
    std::vector<std::string> wanted;
  };
  const Row rows[] = {
      {"", {":1:1: ", "unexpected end of input"}},
      {"[]", {":1:1: expected an object, found a list of 0"}},
      {"{\"seed\": 1", {":1:11: ", "unexpected end of input"}},
      {"{\"seed\": NaN}", {":1:10: ", "invalid literal"}},
      {"{\"seed\": 1.5}", {":1:10: seed: expected an integer from 0 to", "found number 1.5"}},
      {"{\"seed\": -1}", {":1:10: seed: expected an integer from 0", "found number -1"}},
      {"{\"seed\": 99999999999999999999}", {"seed: expected an integer", "found number 99999999999999999"}},
      {"{\"seed\": \"1\"}", {"seed: expected an integer", "found text \"1\""}},
      {"{\"seed\": null}", {"found null"}},
      {"{\"seed\": {\"x\": 1}}", {"found an object"}},
      {"{\"sead\": 1}", {":1:2: sead: unknown key; did you mean 'seed'?"}},
      {"{\"iterations\": 1}", {"iterations: unknown key; did you mean 'training.iterations'?"}},
      {"{\"training\": {\"iteratons\": 1}}",
       {":1:15: training.iteratons: unknown key; did you mean 'training.iterations'?"}},
      {"{\"trainin\": {\"iterations\": 1}}", {":1:2: trainin: unknown key"}},
      {"{\"qqqqqqqqqqq\": 1}", {"qqqqqqqqqqq: unknown key"}},
      {"{\"training\": 5}",
       {":1:14: training: expected an object with keys among iterations, rate", "found number 5"}},
      {"{\"training\": {\"rate\": 1.01}}",
       {":1:23: training.rate: expected a number from 0 to 1, found number 1.01"}},
      {"{\"training\": {\"rate\": 1e999}}", {":1:23: ", "number overflow"}},
      {"{\"training\": {\"augment\": 1}}", {"training.augment: expected true or false, found number 1"}},
      {"{\"training\": {\"patch\": [1, 2]}}",
       {"a list of three integers, each from 1 to 512, found the list [1, 2]"}},
      {"{\"training\": {\"patch\": [1, 0, 2]}}", {"found the list [1, 0, 2]"}},
      {"{\"training\": {\"patch\": 8}}", {"found number 8"}},
      {"{\"training\": {\"weights\": [1, \"x\"]}}", {"found the list [1, text \"x\"]"}},
      {"{\"method\": {\"name\": \"supervized\"}}",
       {"method.name: expected one of 'supervised', 'udct', found text \"supervized\"; did you mean "
        "'supervised'?"}},
      {"{\"data\": {\"dataset\": 5}}", {"data.dataset: expected text, found number 5"}},
      {"{\"seed\": 1,\n \"seed\": 2}",
       {":2:2: seed: expected each key once, found it twice; first at ", ":1:2"}},
      {"{\"seed\": 1, \"training\": {}, \"training\": {}}", {"training: expected each key once"}},
      {"{\"training\": {\"rate\": 1}, \"training.rate\": 1}", {"training.rate: expected each key once"}},
  };
  int count = 0;
  for (const Row& row : rows) {
    const TemporaryFolder folder;
    const auto file = folder.write("c.json", row.contents);
    CAPTURE(row.contents);
    const Caught found = caught([&] { parse_config(file, {}, test_schema()); });
    expect_error(found, ExitCode::usage, row.wanted);
    CHECK(found.message.starts_with(file.string() + ":"));
    CHECK(found.message.find('\n') == std::string::npos);
    ++count;
  }
  MESSAGE("bad config files: " << count);
}

TEST_CASE("after a syntax error no key is said to be missing that may stand behind it") {
  const TemporaryFolder folder;
  const auto file = folder.write("c.json", "{\"seed\": 1 \"data\": {\"dataset\": \"x\"}}");
  ConfigErrors errors;
  const ConfigValues values = read_config(file, {"seed=2"}, test_schema(), errors);
  REQUIRE(errors.lines().size() == 1);
  values.fail(errors, "data.dataset", "expected a path, found none");
  CHECK(errors.lines().size() == 1);
}

TEST_CASE("bad overrides name the option") {
  const std::pair<const char*, const char*> rows[] = {
      {"training.iteratons=5", "training.iteratons: unknown key; did you mean 'training.iterations'?"},
      {"seed", "expected KEY=VALUE"},
      {"=5", "expected KEY=VALUE"},
      {"seed=", "seed: expected an integer"},
      {"seed=many", "found text \"many\""},
      {"training.rate=NaN", "training.rate: expected a number from 0 to 1, found text \"NaN\""},
      {"training.rate=1e999", "training.rate: expected a number"},
      {"training.patch=[1,2", "found text \"[1,2\""},
      {"training=5", "training: expected an object"},
      {"method.name=uct", "did you mean 'udct'?"},
  };
  for (const auto& [given, wanted] : rows) {
    const std::string name = given;
    expect_error(caught([&] { parse_config("", {name}, test_schema()); }), ExitCode::usage,
                 {"--set " + name + ": ", wanted});
  }
}

TEST_CASE("all errors come at once, and a caller's own among them") {
  const TemporaryFolder folder;
  const auto file = folder.write(
      "c.json", "{\"sead\": 1,\n \"training\": {\"rate\": 2,\n  \"patch\": [7, 8, 8],\n  \"augment\": 0}}");
  ConfigErrors errors;
  const ConfigValues values = read_config(file, {"foo=1"}, test_schema(), errors);
  values.fail(errors, "training.patch", "expected a multiple of 8, found 7");
  values.fail(errors, "training.rate", "has an error already");
  values.fail(errors, "training.iterations", "too few for the ramp");
  const std::string name = file.string();
  const Caught found = caught([&] { errors.throw_if_any(); });
  CHECK(found.code == ExitCode::usage);
  CHECK(found.message == name + ":1:2: sead: unknown key; did you mean 'seed'?\n" + name +
                             ":2:23: training.rate: expected a number from 0 to 1, found number 2\n" + name +
                             ":4:14: training.augment: expected true or false, found number 0\n" +
                             "--set foo=1: foo: unknown key\n" + name +
                             ":3:12: training.patch: expected a multiple of 8, found 7\n" + name +
                             ": training.iterations (default 1000): too few for the ramp");
  CHECK(values.get_number("training.rate") == 0.01);  // the default stands in
}

TEST_CASE("hostile files: too large, too deep, missing") {
  const TemporaryFolder folder;
  const auto large = folder.write("large.json", std::string((1 << 20) + 1, ' '));
  expect_error(caught([&] { parse_config(large, {}, test_schema()); }), ExitCode::usage,
               {"large.json", "1048576"});
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  const auto nested = folder.write("deep.json", deep);
  expect_error(caught([&] { parse_config(nested, {}, test_schema()); }), ExitCode::usage,
               {"nested deeper than 16"});
  expect_error(caught([&] { parse_config(folder / "none.json", {}, test_schema()); }), ExitCode::usage,
               {"none.json"});
  const auto long_key = folder.write("key.json", "{\"" + std::string(500'000, 'k') + "\": 1}");
  const Caught found = caught([&] { parse_config(long_key, {}, test_schema()); });
  CHECK(found.code == ExitCode::usage);
  CHECK(found.message.size() < 500);
}

TEST_CASE("to_json writes every key and reads back the same") {
  const TemporaryFolder folder;
  const ConfigValues values =
      parse_config(folder.write("c.json", kGood), {"training.rate=0.1"}, test_schema());
  const std::string json = to_json(values);
  const ConfigValues again = parse_config(folder.write("r.json", json), {}, test_schema());
  CHECK(to_json(again) == json);
  for (const KeySpec& spec : test_schema()) CHECK(again.was_set(spec.name));
  CHECK(again.get_number("training.rate") == 0.1);
  CHECK(again.get_triple("training.patch") == Triple{8, 16, 24});
  const ConfigValues odd = parse_config("", {"data.dataset=\xFF"}, test_schema());
  CHECK(to_json(odd).find("\xEF\xBF\xBD") != std::string::npos);  // not UTF-8: replaced, not thrown
}

TEST_CASE("explain names every key with type, default and explanation") {
  const std::string all = explain(test_schema());
  for (const KeySpec& spec : test_schema()) {
    CHECK(all.find(spec.name + "  (") != std::string::npos);
    CHECK(all.find(spec.explanation) != std::string::npos);
  }
  CHECK(all.find("training.patch  (a list of three integers, each from 1 to 512; default [32,32,32])") !=
        std::string::npos);
}

TEST_CASE("misuse by the program is an EngineError") {
  ConfigValues values{test_schema()};
  CHECK_THROWS_AS((void)values.get_int("none"), EngineError);
  CHECK_THROWS_AS((void)values.get_int("training.rate"), EngineError);
  CHECK_THROWS_AS(values.assign("seed", 1.5, "x"), EngineError);
  CHECK_THROWS_AS(ConfigValues({bool_key("a", true, ""), bool_key("a", true, "")}), EngineError);
  CHECK_THROWS_AS(ConfigValues({bool_key("a", true, ""), bool_key("a.b", true, "")}), EngineError);
  values.assign("seed", Index{7}, "the data set");
  CHECK(values.get_int("seed") == 7);
  CHECK(values.where("seed") == "the data set");
}

TEST_CASE("edit distance and nearest names") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("ab", "ba") == 1);
  CHECK(nearest_name("tarin", {"predict", "train", "info"}) == "train");
  CHECK(nearest_name("x", {"train"}).empty());
  CHECK(nearest_name("", {"train"}).empty());
}
