// `duet bench --backward`: one backward over all terms does less than one a term, in no more memory, and
// gives the same gradients.
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/backend/table.h"
#include "tests/tools/run_duet.h"
#include "tools/bench/backward.h"

using namespace duet;
using namespace duet::testing;

TEST_CASE("merged visits fewer nodes, has no higher peak, and the same gradients") {
  bench::BenchOptions options;
  options.mode = "cotrain";
  options.size = {32, 32, 32};
  options.width = 8;
  options.samples = 2;
  options.steps = 1;
  const auto backend = make_default_backend();
  const auto found = bench::compare_backward(*backend, options);
  REQUIRE(found.size() == 2);
  CHECK_FALSE(found[0].coupled);
  CHECK(found[1].coupled);
  for (const bench::BackwardComparison& each : found) {
    INFO(bench::backward_text({each}));
    CHECK(each.merged.nodes < each.separate.nodes);
    CHECK(each.merged.additions < each.separate.additions);  // the separate ones add up in every parameter
    CHECK(each.merged.peak_bytes <= each.separate.peak_bytes);
    CHECK(each.merged.rest_bytes == each.separate.rest_bytes);
    CHECK(each.merged.peak_over_rest() > 0);
    CHECK(each.merged.seconds > 0);
    CHECK(each.gradient_difference < 1e-4);
  }
  // The coupling is a term of its own, and reaches both networks once more.
  CHECK(found[1].merged.nodes - found[0].merged.nodes < found[0].merged.nodes / 4);
  CHECK(found[1].separate.nodes > found[0].separate.nodes * 5 / 4);
  const std::string table = bench::backward_text(found);
  for (const char* word : {"merged", "separate", "detached", "coupled", "additions"})
    CHECK(table.find(word) != std::string::npos);
}

TEST_CASE("--backward --json has its keys beside the step's") {
  const Ran ran = run_duet(
      "@duet bench --backward --json --size 32 32 32 --batch 2 --width 2 --samples 2 --steps 1 --threads 2");
  INFO(ran.output);
  REQUIRE(ran.code == 0);
  const auto json = nlohmann::json::parse(ran.output.substr(ran.output.find('{')));
  CHECK(json.at("mode") == "cotrain");
  REQUIRE(json.at("backward").size() == 2);
  for (const auto& each : json.at("backward")) {
    for (const char* way : {"merged", "separate"}) {
      for (const char* key : {"median_s", "nodes", "additions", "peak_bytes", "peak_over_rest_bytes"}) {
        INFO(way, ": ", key);
        CHECK(each.at(way).at(key).get<double>() > 0);
      }
    }
    CHECK(each.at("time_ratio").get<double>() > 0);
    CHECK(each.at("gradient_difference").get<double>() < 1e-4);
  }
  CHECK(json.at("backward")[0].at("coupling") == "detached");
  CHECK(json.at("backward")[1].at("coupling") == "coupled");
  const Ran odd = run_duet("@duet bench --backward --batch 3");
  CHECK(odd.code == 2);
  CHECK(odd.output.find("--batch: cotrain takes half") != std::string::npos);
}
