// What `duet bench` says of kernels: the timed backend changes nothing and misses nothing, tables sum to the
// step, what is slow is named.
#include <doctest/doctest.h>
#include <set>

#include "tests/cotrain/small_run.h"
#include "tests/tools/small_bench.h"
#include "tools/bench/tables.h"

using namespace duet;
using namespace duet::testing;

namespace {

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
