// `duet bench`: the JSON line has the peer's keys, the comparison divides what it should.
#include <algorithm>
#include <doctest/doctest.h>

#include "engine/backend/table.h"
#include "tests/tools/run_duet.h"
#include "tests/tools/small_bench.h"
#include "tools/bench/child.h"
#include "tools/bench/scaling.h"
#include "tools/bench/work.h"

using namespace duet;
using namespace duet::testing;

namespace {

const std::string kSmall = " --size 32 32 32 --batch 2 --width 2 --samples 2 --steps 2 --threads 2 ";

nlohmann::json last_line(const Ran& ran) {
  INFO(ran.output);
  REQUIRE(ran.code == 0);
  const std::size_t at = ran.output.rfind("\n{");
  return nlohmann::json::parse(ran.output.substr(at == std::string::npos ? 0 : at + 1));
}

}  // namespace

TEST_CASE("the JSON line has the peer's keys, in every mode and norm") {
  for (const std::string mode : {"train --norm batch", "infer", "cotrain --fold 2"}) {
    const auto json = last_line(run_duet(text("@duet bench --json --mode ", mode, kSmall)));
    for (const char* key : {"mode", "size", "batch", "width", "classes", "norm", "samples", "steps", "p",
                            "threads", "precision", "median_s", "min_s", "peak_mib", "rest_mib"}) {
      INFO(mode, ": ", key);
      CHECK(json.contains(key));
    }
    CHECK(json.at("size") == nlohmann::json({32, 32, 32}));
    CHECK(json.at("threads") == 2);
    CHECK(json.at("median_s").get<double>() >= json.at("min_s").get<double>());
    CHECK(json.at("peak_mib").get<double>() > json.at("rest_mib").get<double>());
  }
}

TEST_CASE("--architecture unet measures the U-Net: the same step by another network") {
  const std::string step = "@duet bench --losses --json --mode train" + kSmall;
  const auto vnet = last_line(run_duet(step)), unet = last_line(run_duet(step + " --architecture unet"));
  CHECK(vnet.at("architecture") == "vnet");
  CHECK(unet.at("architecture") == "unet");
  CHECK(vnet.at("losses") != unet.at("losses"));
  const auto table = run_duet("@duet bench --table --architecture unet --mode train" + kSmall);
  CHECK_MESSAGE(table.code == 0, table.output);
  CHECK(table.output.find("regions") != std::string::npos);  // pooling and concatenation
}

TEST_CASE("--mode volume segments as predict does and says how many windows that is") {
  const std::string volume =
      "@duet bench --mode volume --size 20 40 24 --patch 16 32 32 --stride 4 8 0"
      " --width 2 --steps 2 --threads 2 ";
  for (const std::string flags : {"--samples 0", "--samples 4 --networks 2", "--samples 4 --fold 2"}) {
    const auto json = last_line(run_duet(volume + flags + " --json"));
    INFO(flags);
    CHECK(json.at("windows") == 4);  // W is padded to the patch
    CHECK(json.at("patch") == nlohmann::json({16, 32, 32}));
    CHECK(json.at("batch") == 4);
    CHECK(json.at("fold") == (flags.ends_with("0") ? 1 : flags.ends_with("--fold 2") ? 2 : 4));
    CHECK(json.at("median_s").get<double>() > 0);
    CHECK(json.at("peak_mib").get<double>() >= json.at("rest_mib").get<double>());
  }
  const Ran shown = run_duet(volume + "--samples 0");
  CHECK(shown.output.find("windows       4") != std::string::npos);
  const std::string same =
      R"(--peer 'echo "{\"median_s\": 9, \"windows\": 4, \"samples\": 0, \"batch\": 1}"')";
  CHECK(last_line(run_duet(volume + "--samples 0 --json --rounds 1 " + same)).at("ratio").get<double>() > 0);
  const Ran other = run_duet(volume + "--json --rounds 1 " + same);
  CHECK(other.code == 2);
  CHECK(other.output.find("samples should be 8 as ours, found 0") != std::string::npos);

  bench::BenchOptions options = small_options("volume");
  options.samples = 0;
  const auto backend = make_default_backend();
  bench::Work work = bench::make_work(*backend, options);
  const double mean = bench::take_step(*backend, work);
  CHECK(mean >= 0);
  CHECK(mean <= 1);
  CHECK(mean == bench::take_step(*backend, work));
}

TEST_CASE("--peer alternates and divides the medians; the fastest peer counts") {
  const std::string slow = R"(--peer 'echo "{\"median_s\": 100.0, \"peak_mib\": 300, \"rest_mib\": 100}"')",
                    fast = R"( --peer 'echo noise; echo "{\"median_s\": 50, \"batch\": 2}"' )";
  const auto json = last_line(run_duet("@duet bench --json --rounds 3 " + slow + fast + kSmall));
  const auto& ours = json.at("ours");
  auto rounds = ours.at("rounds_s").get<std::vector<double>>();
  REQUIRE(rounds.size() == 3);
  std::sort(rounds.begin(), rounds.end());
  CHECK(ours.at("median_s") == rounds[1]);
  CHECK(json.at("fastest") == 1);
  CHECK(json.at("ratio").get<double>() == doctest::Approx(50 / rounds[1]));
  CHECK(json.at("peers")[0].at("ratio").get<double>() == doctest::Approx(100 / rounds[1]));
  CHECK(json.at("peers")[0].at("memory_ratio").get<double>() ==
        doctest::Approx(ours.at("memory_mib").get<double>() / 200));
  CHECK(json.at("memory_ratio").is_null());  // the fastest one does not say
  const Ran shown = run_duet("@duet bench --rounds 1 " + slow + kSmall);
  CHECK(shown.code == 0);
  CHECK(shown.output.find("round 1 of 1") != std::string::npos);
  CHECK(shown.output.find("times our time") != std::string::npos);
}

TEST_CASE("a child that ends for want of memory says so by its code, any other failure is of the command") {
  for (const auto& [code, expected] : {std::pair{"6", ExitCode::device}, {"1", ExitCode::usage}}) {
    const Caught found = caught([&, code = code] { bench::run_child(text("exit ", code)); });
    CHECK(found.code == expected);
    CHECK(found.message.find(text("found ", code)) != std::string::npos);
  }
}

TEST_CASE("children work on the device that was asked for") {
  bench::BenchOptions options = small_options("train");
  CHECK(bench::own_command(options).find(" --device 'cpu'") != std::string::npos);
  options.device = "cuda:1";
  options.plan_cache = "plans.txt";
  options.deterministic = options.tf32 = options.no_graphs = true;
  CHECK(bench::own_command(options).find(
            " --device 'cuda:1' --plan-cache 'plans.txt' --deterministic --tf32 --no-cuda-graphs --json") !=
        std::string::npos);
  const auto json = last_line(run_duet("@duet bench --json --rounds 1 --device cpu" + kSmall +
                                       R"( --peer 'echo "{\"median_s\": 1.0}"')"));
  CHECK(json.at("ours").at("command").get<std::string>().find(" --device 'cpu'") != std::string::npos);
}

TEST_CASE("what cannot be measured is refused with a reason") {
  struct Row {
    std::string flags, named;
  };
  for (const Row& row :
       std::vector<Row>{{"--mode cotrain --batch 3", "even"},
                        {"--mode train --samples 4 --fold 3", "divisor"},
                        {"--mode cotrain --weights a", "2 networks"},
                        {"--size 33 32 32", "33"},
                        {"--mode train --samples 0", "--samples"},
                        {"--mode volume --input a", "--input"},
                        {"--mode volume --scaling", "--scaling"},
                        {"--mode volume --patch 16 16 16 --stride 17 0 0 --size 32 32 32", "17"},
                        {"--size 32 32 32 --rounds 1 --peer false", "'false' should exit with 0, found 1"},
                        {"--size 32 32 32 --rounds 1 --peer 'echo done'", "found 'done"},
                        {R"(--size 32 32 32 --rounds 1 --peer 'echo "{}"')", "median_s"},
                        {R"(--size 32 32 32 --rounds 1 --peer 'echo "{\"median_s\": 1, \"batch\": 4}"')",
                         "batch should be 2 as ours, found 4"}}) {
    const Ran ran = run_duet("@duet bench --width 2 --steps 1 --threads 2 " + row.flags);
    INFO(row.flags, ": ", ran.output);
    CHECK(ran.code == static_cast<int>(ExitCode::usage));
    CHECK(ran.output.find(row.named) != std::string::npos);
  }
}

TEST_CASE("--ops names implementations, and a hot reference one is exit code 5") {
  const Ran ref = run_duet("@duet bench --ops --backend ref" + kSmall);
  INFO(ref.output);
  CHECK(ref.code == static_cast<int>(ExitCode::numerical));
  CHECK(ref.output.find("in a reference implementation, ref:direct") != std::string::npos);
  if (backend_names().front() == "ref") return;
  const auto json = last_line(run_duet("@duet bench --ops --table --floor --json" + kSmall));
  CHECK(json.at("peak_gflops").get<double>() > 0);
  CHECK(json.at("peak_gbs").get<double>() > 0);
  double sum = 0;
  for (const auto& group : json.at("groups")) sum += group.at("seconds").get<double>();
  CHECK(sum == doctest::Approx(json.at("step_s").get<double>()));
  for (const auto& op : json.at("ops")) {
    if (std::string(op.at("kernel")).starts_with("pointwise_conv"))
      CHECK(op.at("implementation") == "own:thin");
  }
  CHECK(json.at("floor").at("f32_s").get<double>() > 0);
  CHECK(json.at("floor").at("factor").get<double>() > 0);
}

TEST_CASE("scaling changes one thing at a time") {
  bench::BenchOptions options = small_options("train");
  options.batch = 2;
  std::vector<bench::ScalingPoint> points = bench::scaling_points(options);
  REQUIRE(points.size() >= 6);
  CHECK(points[3].options.size == Triple{64, 64, 64});
  CHECK(points[3].voxels() == 8 * points[0].voxels());
  CHECK(points[5].options.batch == 8);
  CHECK(points[5].options.size == points[0].options.size);
  for (bench::ScalingPoint& point : points) {
    point.seconds = 1e-9 * point.voxels();
    point.gflops = 4321;
  }
  for (const auto& one : bench::scaling_json(points)) {
    CHECK(one.at("of_first").get<double>() == doctest::Approx(1));
    CHECK(one.at("peak_gflops") == 4321);
  }
  CHECK(bench::scaling_text(points).find("4321") != std::string::npos);
}

TEST_CASE("--scaling: each point's time beside what its threads can multiply") {
  const auto json = last_line(run_duet(
      "@duet bench --scaling --json --mode infer --size 32 32 32 --batch 1 --width 2 --steps 1 --threads 2"));
  const auto& points = json.at("scaling");
  REQUIRE(points.size() == 7);
  for (const auto& point : points) {
    CHECK(point.at("median_s").get<double>() > 0);
    CHECK(point.at("peak_gflops").get<double>() > 0);
  }
  CHECK(points.back().at("axis") == "threads");
  CHECK(points.back().at("threads") == 1);
}
