// `duet bench` and what stands behind it: the timed backend changes nothing and misses nothing, tables sum to
// the step, the JSON line has the peer's keys, the comparison divides what it should.
#include <cmath>
#include <doctest/doctest.h>
#include <set>

#include "tests/cotrain/small_run.h"
#include "tests/tools/run_duet.h"
#include "tools/bench/child.h"
#include "tools/bench/floor.h"
#include "tools/bench/peer.h"
#include "tools/bench/scaling.h"
#include "tools/bench/tables.h"

using namespace duet;
using namespace duet::testing;

namespace {

const std::string kSmall = " --size 32 32 32 --batch 2 --width 2 --samples 2 --steps 2 --threads 2 ";

bench::BenchOptions small_options(const std::string& mode) {
  bench::BenchOptions options;
  options.mode = mode;
  options.size = {32, 32, 32};
  options.width = 2;
  options.samples = 2;
  options.steps = 2;
  options.patch = {16, 32, 32};
  return options;
}

nlohmann::json last_line(const Ran& ran) {
  INFO(ran.output);
  REQUIRE(ran.code == 0);
  const std::size_t at = ran.output.rfind("\n{");
  return nlohmann::json::parse(ran.output.substr(at == std::string::npos ? 0 : at + 1));
}

// All weights after two steps; `wraps` are timed backends around it, the first one innermost.
std::vector<double> trained(const RunConfig& config, std::vector<Timings>& wraps) {
  const auto backend = make_default_backend();
  for (Timings& timings : wraps) time_kernels(*backend, timings);
  TrainingState state = make_training_state(*backend, config, 3);
  const TrainingData data = small_data(config);
  const SamplerConfig sampler = sampler_config(config, *state.method);
  for (Timings& timings : wraps) timings.clear();
  for (Index i = 0; i < 2; ++i) {
    const Batch batch =
        make_batch(*backend, sampler, data.labelled, data.unlabelled, static_cast<std::uint32_t>(i));
    run_step(*backend, config, state, batch, i);
  }
  return all_weights(state);
}

std::set<std::string> kernels_of(const Timings& timings) {
  std::set<std::string> names;
  for (const KernelUse& use : timings.uses()) names.insert(std::string(use.kernel));
  return names;
}

}  // namespace

TEST_CASE("a timed backend notes every call under its own name, and changes no bit") {
  RunConfig vnet = small_config("udct"), unet = small_config("udct", NormKind::batch);
  vnet.method.lanes = "all";
  vnet.method.coupled = true;
  unet.model.architecture = "unet";
  unet.model.activation = Activation::prelu;
  unet.method.targets = TargetKind::squared;
  unet.training.optimiser.name = "adamw";
  std::set<std::string> seen;
  for (const RunConfig& config : {vnet, unet}) {
    std::vector<Timings> none, two(2);
    CHECK(trained(config, none) == trained(config, two));
    // What the outer one noted is what reached the inner one.
    const auto inner = two[0].uses(), outer = two[1].uses();
    REQUIRE(inner.size() == outer.size());
    for (std::size_t i = 0; i < inner.size(); ++i) {
      INFO(outer[i].kernel, " ", shape_label(outer[i]));
      CHECK(inner[i].kernel == outer[i].kernel);
      CHECK(inner[i].shape == outer[i].shape);
      CHECK(inner[i].calls == outer[i].calls);
      CHECK(inner[i].bytes == outer[i].bytes);
      CHECK(inner[i].seconds <= outer[i].seconds);
      CHECK(outer[i].bytes > 0);
      CHECK((outer[i].flops > 0) == outer[i].convolution.has_value());
    }
    seen.merge(kernels_of(two[1]));
  }
  for (const char* kernel : {"conv3d_forward",
                             "conv3d_backward_data",
                             "conv3d_backward_weights",
                             "conv_transpose3d_forward",
                             "conv_transpose3d_backward_data",
                             "conv_transpose3d_backward_weights",
                             "pointwise_conv_forward",
                             "pointwise_conv_backward_data",
                             "pointwise_conv_backward_weights",
                             "bias_backward",
                             "sgd_step",
                             "adamw_step",
                             "max_pool_forward",
                             "max_pool_backward",
                             "copy_region",
                             "prelu_backward_slope",
                             "accumulate_samples",
                             "finish_samples",
                             "weights_towards_certain",
                             "maximum",
                             "argmax",
                             "dot"}) {
    INFO(kernel);
    CHECK(seen.contains(kernel));
  }
}

TEST_CASE("flops and bytes of a convolution, of a transposed one and of a gradient that is added onto") {
  const auto backend = make_default_backend();
  Timings timings;
  time_kernels(*backend, timings);
  const Conv3dSpec same{}, halving{{2, 2, 2}, {2, 2, 2}, {0, 0, 0}};
  const Tensor x = backend->filled({2, 4, 4, 4, 3}, DType::f32, 1),
               y = backend->filled({2, 4, 4, 4, 5}, DType::f32, 1),
               w = backend->filled({5, 3, 3, 3, 3}, DType::f32, 1),
               up = backend->filled({3, 2, 2, 2, 1}, DType::f32, 1),
               big = backend->filled({2, 8, 8, 8, 1}, DType::f32, 1);
  timings.clear();
  backend->convolution->conv3d_backward_data(same, y.cview(), w.cview(), x.view(), Accum::add);
  backend->convolution->conv_transpose3d_forward(halving, x.cview(), up.cview(), {}, big.view());
  const std::vector<KernelUse> uses = timings.uses();
  REQUIRE(uses.size() == 2);
  const KernelUse &gradient = uses[0], &transposed = uses[1];
  CHECK(gradient.flops == 2.0 * 128 * 5 * 27 * 3);
  CHECK(gradient.bytes == 4.0 * (128 * 5 + 5 * 27 * 3 + 2 * 128 * 3));
  CHECK(shape_label(gradient) == "(2,4,4,4,3) * (5,3,3,3,3)");
  CHECK(transposed.flops == 2.0 * 128 * 3 * 8);
  CHECK(transposed.group == "convolution forward");
  CHECK(shape_label(transposed) == "(2,8,8,8,1) * (3,2,2,2,1)");
  CHECK(transposed.convolution->pass == ConvPass::data);
}

TEST_CASE("kernels are timed by the marks of their device, and none waits for it") {
  const auto backend = make_default_backend();
  int marks = 0, waits = 0;
  backend->mark = [&] { return std::make_shared<const int>(marks++); };
  backend->seconds = [](const Mark& from, const Mark& to) {
    return 10.0 * (*static_cast<const int*>(to.get()) - *static_cast<const int*>(from.get()));
  };
  backend->wait = [&] { ++waits; };
  Timings timings;
  time_kernels(*backend, timings);
  const Tensor x = backend->filled({1, 2, 2, 2, 3}, DType::f32, 1);
  for (int i = 0; i < 2; ++i) backend->pointwise->scale(x.cview(), 2.0, x.view(), Accum::write);
  CHECK(marks == 6);
  CHECK(waits == 0);
  REQUIRE(timings.uses().size() == 2);
  CHECK(timings.uses()[0].seconds == 10.0);
  CHECK(timings.uses()[1].seconds == 20.0);
  CHECK(timings.uses()[1].calls == 2);
}

TEST_CASE("the table's rows sum to the step") {
  for (const std::string mode : {"train", "infer", "cotrain", "volume"}) {
    Timings timings;
    const auto backend = make_default_backend();
    time_kernels(*backend, timings);
    const bench::Profile profile = bench::profile_step(*backend, timings, small_options(mode));
    double sum = 0;
    for (const bench::GroupTime& group : bench::group_times(profile)) {
      INFO(mode, ": ", group.name);
      CHECK(group.seconds >= 0);
      sum += group.seconds;
    }
    CHECK(sum == doctest::Approx(profile.seconds));
    CHECK(bench::group_times(profile).back().name == "between kernels");
    CHECK(bench::groups_text(profile).find("the step") != std::string::npos);
  }
}

TEST_CASE("the slowest of the operations that large tensors bind are named; others are not looked at") {
  const bench::MachinePeaks peaks{1000, 100, "products"};
  const auto row = [&](const char* kernel, Index mib, double gflops, double gbs) {
    bench::OpRow made;
    made.use.kernel = kernel;
    made.use.shape = {1, 1, 1024, 256, mib};  // of f32
    made.gflops = gflops;
    made.gbs = gbs;
    return made;
  };
  const auto convolution = [&](const char* kernel, Triple side) {
    bench::OpRow made = row(kernel, 300, 1, 60);
    made.use.convolution.emplace();
    made.use.convolution->spec.kernel = side;
    made.use.convolution->x = made.use.shape;
    made.use.convolution->w = {2, side[0], side[1], side[2], 300};
    return made;
  };
  const std::string start = "of a copy's bandwidth, tensors of 64 MiB and more, the least of ";
  const bench::OpRow small = row("small", 63, 0, 10), products = row("of products", 640, 200, 10),
                     down = convolution("down", {2, 2, 2});
  CHECK(bench::bound_text({small, products, down}, peaks) == start + "0: none\n");
  CHECK(bench::bound_text({small, row("norm", 64, 0, 76), down}, peaks) ==
        start + "1: 76 % norm (1,1,1024,256,64) f32\n");
  const std::vector<bench::OpRow> rows = {small,
                                          row("fast", 64, 0, 95),
                                          row("norm", 64, 0, 76),
                                          products,
                                          down,
                                          row("head", 200, 50, 81),
                                          convolution("pointwise", {1, 1, 1})};
  CHECK(bench::bound_text(rows, peaks) == start +
                                              "4: 60 % pointwise (1,1,1024,256,300) * (2,1,1,1,300) f32; "
                                              "76 % norm (1,1,1024,256,64) f32; "
                                              "81 % head (1,1,1024,256,200) f32\n");
}

TEST_CASE("hot reference convolutions are found, jit and cold ones are not") {
  const auto row = [](const char* implementation, double seconds) {
    bench::OpRow made;
    made.use.seconds = seconds;
    made.implementation = implementation;
    return made;
  };
  const bench::Profile step{1.0, {}};
  CHECK(
      bench::hot_reference_rows(step, {row("ref:any", 0.02), row("gemm:ref", 0.02), row("x64:gemm:jit", 0.5),
                                       row("brgconv:avx512_core", 0.5), row("", 0.5), row("ref:any", 0.009)})
          .size() == 2);
}

TEST_CASE("the JSON line has the peer's keys, in every mode and norm") {
  for (const std::string mode : {"train --norm batch", "infer", "cotrain --fold 2"}) {
    const auto json = last_line(run_duet("@duet bench --json --mode " + mode + kSmall));
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
