// Convolutions of the oneDNN backend: every pass against the reference loops in double, on shapes that reach
// each of its ways (README.md of engine/backend/onednn), then its caches, its memory and its threads.
#include <cmath>
#include <cstring>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

#include "engine/backend/onednn/onednn.h"
#include "engine/core/parallel.h"
#include "engine/core/philox.h"

using namespace duet;

namespace {

struct Case {
  const char* name;
  Shape x;  // of the transposed convolution: its input, too
  Index co;
  Triple kernel, stride, padding;
};

constexpr Triple k1{1, 1, 1}, k2{2, 2, 2}, k3{3, 3, 3}, k5{5, 5, 5}, none{0, 0, 0};

const std::vector<Case> kConvolutions = {
    {"first layer", {2, 12, 13, 11, 1}, 16, k3, k1, k1},
    {"first layer, width 8", {2, 9, 8, 10, 1}, 8, k3, k1, k1},
    {"width 1", {1, 6, 7, 5, 1}, 1, k3, k1, k1},
    {"1 to 2", {2, 5, 6, 7, 1}, 2, k3, k1, k1},
    {"2 to 3", {2, 5, 6, 7, 2}, 3, k3, k1, k1},
    {"3 to 5", {1, 6, 6, 6, 3}, 5, k3, k1, k1},
    {"4 to 4", {2, 6, 5, 4, 4}, 4, k3, k1, k1},
    {"7 to 9", {1, 5, 5, 5, 7}, 9, k3, k1, k1},
    {"8 to 8", {2, 8, 9, 10, 8}, 8, k3, k1, k1},
    {"24 to 8", {1, 8, 8, 8, 24}, 8, k3, k1, k1},
    {"16 to 16", {2, 12, 10, 9, 16}, 16, k3, k1, k1},
    {"17 to 19", {1, 6, 7, 8, 17}, 19, k3, k1, k1},
    {"32 to 32", {2, 8, 8, 8, 32}, 32, k3, k1, k1},
    {"48 to 16", {1, 8, 8, 8, 48}, 16, k3, k1, k1},
    {"64 to 64", {4, 4, 6, 4, 64}, 64, k3, k1, k1},
    {"128 to 128, tiny", {4, 2, 3, 2, 128}, 128, k3, k1, k1},
    {"one voxel", {2, 1, 1, 1, 32}, 32, k3, k1, k1},
    {"5x5x5", {1, 9, 8, 7, 16}, 16, k5, k1, {2, 2, 2}},
    {"5x5x5, 1 to 8", {1, 9, 8, 7, 1}, 8, k5, k1, {2, 2, 2}},
    {"1x3x3", {2, 5, 9, 8, 16}, 16, {1, 3, 3}, k1, {0, 1, 1}},
    {"3x1x1", {1, 9, 5, 6, 16}, 32, {3, 1, 1}, k1, {1, 0, 0}},
    {"2D", {3, 1, 21, 18, 16}, 16, {1, 3, 3}, k1, {0, 1, 1}},
    {"2D, first layer", {2, 1, 19, 23, 1}, 8, {1, 3, 3}, k1, {0, 1, 1}},
    {"2D down", {2, 1, 16, 12, 8}, 16, {1, 2, 2}, {1, 2, 2}, none},
    {"down 16", {2, 8, 8, 8, 16}, 32, k2, k2, none},
    {"down 8", {2, 8, 12, 8, 8}, 16, k2, k2, none},
    {"down 1", {1, 4, 4, 4, 1}, 2, k2, k2, none},
    {"down, odd sizes", {2, 7, 9, 5, 16}, 16, k2, k2, none},
    {"down to one voxel", {2, 2, 2, 2, 64}, 128, k2, k2, none},
    {"3x3x3 stride 2", {2, 9, 8, 7, 16}, 32, k3, k2, k1},
    {"3x3x3 stride 2 to one voxel", {1, 2, 1, 2, 16}, 16, k3, k2, k1},
    {"stride 3, gaps", {1, 8, 7, 9, 8}, 8, k2, {3, 3, 3}, none},
    {"no padding", {1, 7, 6, 5, 16}, 16, k3, k1, none},
    {"much padding", {1, 4, 5, 4, 16}, 16, k3, k1, {3, 3, 3}},
    {"mixed strides", {1, 6, 9, 8, 16}, 24, {3, 3, 2}, {1, 2, 2}, {1, 1, 0}},
    {"1x1x1 as convolution", {2, 5, 6, 7, 16}, 32, k1, k1, none},
    {"1x1x1 stride 2", {1, 7, 6, 5, 16}, 32, k1, k2, none},
};

const std::vector<Case> kTransposed = {
    {"up 256 to 128", {1, 2, 2, 2, 256}, 128, k2, k2, none},
    {"up 32 to 16", {2, 6, 5, 4, 32}, 16, k2, k2, none},
    {"up 16 to 8", {4, 4, 6, 4, 16}, 8, k2, k2, none},
    {"up 2 to 1", {1, 3, 3, 3, 2}, 1, k2, k2, none},
    {"up 3 to 5", {2, 3, 2, 4, 3}, 5, k2, k2, none},
    {"2D up", {2, 1, 7, 6, 16}, 8, {1, 2, 2}, {1, 2, 2}, none},
    {"kernel 3 stride 3", {1, 3, 2, 3, 8}, 8, k3, {3, 3, 3}, none},
    {"kernel 3 stride 2", {1, 5, 4, 3, 16}, 16, k3, k2, k1},
    {"kernel 4 stride 2", {1, 4, 5, 3, 8}, 16, {4, 4, 4}, k2, k1},
    {"kernel 2 stride 3, gaps", {1, 3, 3, 2, 16}, 16, k2, {3, 3, 3}, none},
    {"kernel 3 stride 1", {2, 5, 4, 6, 16}, 16, k3, k1, k1},
};

const std::vector<Case> kPointwise = {
    {"head 16 to 2", {2, 16, 17, 15, 16}, 2, k1, k1, none},
    {"head 8 to 3", {2, 12, 11, 13, 8}, 3, k1, k1, none},
    {"head 1 to 2", {1, 5, 5, 5, 1}, 2, k1, k1, none},
    {"32 to 16", {2, 16, 16, 16, 32}, 16, k1, k1, none},
    {"one row", {1, 1, 1, 1, 24}, 7, k1, k1, none},
};

// An f32 tensor and the same values in f64.
struct Both {
  Tensor f, d;
};

class Bench {
 public:
  std::unique_ptr<Backend> backend = make_onednn_backend();
  ConvolutionKernels& conv() const { return *backend->convolution; }

  Both random(const Shape& shape) {
    Both both{backend->empty(shape, DType::f32), backend->empty(shape, DType::f64)};
    const PhiloxKey key{7, Stream::test, 0, ++draws_};
    for (Index i = 0; i < shape.elements(); ++i) {
      const float value = 2 * draw_uniform(key, 0, static_cast<std::uint64_t>(i)) - 1;
      both.f.data<float>()[i] = value;
      both.d.data<double>()[i] = value;
    }
    return both;
  }
  Both garbage(const Shape& shape) {
    Both both{backend->empty(shape, DType::f32), backend->empty(shape, DType::f64)};
    for (float& value : both.f.span<float>()) value = std::numeric_limits<float>::quiet_NaN();
    for (double& value : both.d.span<double>()) value = std::numeric_limits<double>::quiet_NaN();
    return both;
  }

 private:
  std::uint32_t draws_ = 0;
};

// Largest difference over the largest value.
double error(const Both& both) {
  double largest = 1e-30, difference = 0;
  for (Index i = 0; i < both.f.elements(); ++i) {
    const double want = both.d.data<double>()[i], got = both.f.data<float>()[i];
    if (!std::isfinite(got)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(want));
    difference = std::max(difference, std::abs(want - got));
  }
  return difference / largest;
}

constexpr double kTolerance = 1e-5;

// Runs `call` (float side and double side) on an output of garbage with write, and on values with add.
template <class Call>
void check_gradient(Bench& bench, const Shape& shape, const char* what, const Call& call) {
  for (const Accum accum : {Accum::write, Accum::add}) {
    const Both out = accum == Accum::write ? bench.garbage(shape) : bench.random(shape);
    call(out.f.view(), accum, &Both::f);
    call(out.d.view(), accum, &Both::d);
    INFO(what << (accum == Accum::add ? " +=" : " ="));
    CHECK(error(out) < kTolerance);
  }
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.view().data, b.view().data, a.bytes()) == 0;
}

}  // namespace

TEST_CASE("convolution: three passes against the reference in double") {
  Bench bench;
  for (const Case& c : kConvolutions) {
    INFO(c.name);
    const Conv3dSpec spec{c.kernel, c.stride, c.padding};
    const Shape w_shape{c.co, c.kernel[0], c.kernel[1], c.kernel[2], c.x.c};
    const Both x = bench.random(c.x), w = bench.random(w_shape), b = bench.random(Shape::vector(c.co));
    const Shape y_shape = conv3d_output_shape(spec, c.x, w_shape);
    const Both dy = bench.random(y_shape);
    for (const bool bias : {true, false}) {
      const Both y = bench.garbage(y_shape);
      for (Tensor Both::*side : {&Both::f, &Both::d}) {
        bench.conv().conv3d_forward(spec, (x.*side).cview(), (w.*side).cview(),
                                    bias ? (b.*side).cview() : ConstView{}, (y.*side).view());
      }
      INFO("forward, bias " << bias);
      CHECK(error(y) < kTolerance);
    }
    check_gradient(bench, c.x, "data", [&](View dx, Accum accum, Tensor Both::*side) {
      bench.conv().conv3d_backward_data(spec, (dy.*side).cview(), (w.*side).cview(), dx, accum);
    });
    check_gradient(bench, w_shape, "weights", [&](View dw, Accum accum, Tensor Both::*side) {
      bench.conv().conv3d_backward_weights(spec, (x.*side).cview(), (dy.*side).cview(), dw, accum);
    });
  }
  MESSAGE("convolution shapes: " << kConvolutions.size());
}

TEST_CASE("transposed convolution: three passes against the reference in double") {
  Bench bench;
  for (const Case& c : kTransposed) {
    INFO(c.name);
    const Conv3dSpec spec{c.kernel, c.stride, c.padding};
    const Shape w_shape{c.x.c, c.kernel[0], c.kernel[1], c.kernel[2], c.co};
    const Both x = bench.random(c.x), w = bench.random(w_shape), b = bench.random(Shape::vector(c.co));
    const Shape y_shape = conv_transpose3d_output_shape(spec, c.x, w_shape);
    const Both dy = bench.random(y_shape);
    for (const bool bias : {true, false}) {
      const Both y = bench.garbage(y_shape);
      for (Tensor Both::*side : {&Both::f, &Both::d}) {
        bench.conv().conv_transpose3d_forward(spec, (x.*side).cview(), (w.*side).cview(),
                                              bias ? (b.*side).cview() : ConstView{}, (y.*side).view());
      }
      INFO("forward, bias " << bias);
      CHECK(error(y) < kTolerance);
    }
    check_gradient(bench, c.x, "data", [&](View dx, Accum accum, Tensor Both::*side) {
      bench.conv().conv_transpose3d_backward_data(spec, (dy.*side).cview(), (w.*side).cview(), dx, accum);
    });
    check_gradient(bench, w_shape, "weights", [&](View dw, Accum accum, Tensor Both::*side) {
      bench.conv().conv_transpose3d_backward_weights(spec, (x.*side).cview(), (dy.*side).cview(), dw, accum);
    });
  }
  MESSAGE("transposed convolution shapes: " << kTransposed.size());
}

TEST_CASE("pointwise convolution: three passes against the reference in double") {
  Bench bench;
  for (const Case& c : kPointwise) {
    INFO(c.name);
    const Shape w_shape{c.co, 1, 1, 1, c.x.c}, y_shape = c.x.with_channels(c.co);
    const Both x = bench.random(c.x), w = bench.random(w_shape), b = bench.random(Shape::vector(c.co));
    const Both dy = bench.random(y_shape), y = bench.garbage(y_shape);
    for (Tensor Both::*side : {&Both::f, &Both::d}) {
      bench.conv().pointwise_conv_forward((x.*side).cview(), {}, (w.*side).cview(), (b.*side).cview(),
                                          (y.*side).view());
    }
    CHECK(error(y) < kTolerance);
    check_gradient(bench, c.x, "data", [&](View dx, Accum accum, Tensor Both::*side) {
      bench.conv().pointwise_conv_backward_data((dy.*side).cview(), {}, (w.*side).cview(), dx, accum);
    });
    check_gradient(bench, w_shape, "weights", [&](View dw, Accum accum, Tensor Both::*side) {
      bench.conv().pointwise_conv_backward_weights((x.*side).cview(), {}, (dy.*side).cview(), dw, accum);
    });
  }
}

TEST_CASE("bias gradient sums rows, whatever the number of threads") {
  Bench bench;
  const int threads = max_threads();
  for (const Index channels : {1, 2, 3, 16, 127, 300}) {
    for (const Index rows : {1, 63, 5000, 70000}) {
      if (channels * rows > 2'000'000) continue;
      INFO(rows << " rows of " << channels);
      const Both dy = bench.random({1, 1, 1, rows, channels});
      check_gradient(bench, Shape::vector(channels), "db", [&](View db, Accum accum, Tensor Both::*side) {
        bench.conv().bias_backward((dy.*side).cview(), db, accum);
      });
      const Both one = bench.garbage(Shape::vector(channels)), two = bench.garbage(Shape::vector(channels));
      set_threads(1);
      bench.conv().bias_backward(dy.f.cview(), one.f.view(), Accum::write);
      set_threads(2);
      bench.conv().bias_backward(dy.f.cview(), two.f.view(), Accum::write);
      set_threads(threads);
      CHECK(same_bytes(one.f, two.f));
    }
  }
}

TEST_CASE("packed weights follow the version of their tensor") {
  Bench bench;
  const Conv3dSpec spec;
  for (const Index channels : {24, 8}) {  // data through a flipped kernel, or not
    INFO(channels << " channels");
    const Shape shape{1, 6, 5, 7, channels};
    const Both x = bench.random(shape), w = bench.random({channels, 3, 3, 3, channels});
    const Tensor y = bench.backend->empty(shape, DType::f32), again = bench.backend->empty(shape, DType::f32);
    const auto both_passes = [&](const Tensor& out, bool data) {
      if (data) {
        bench.conv().conv3d_backward_data(spec, x.f.cview(), w.f.cview(), out.view(), Accum::write);
      } else {
        bench.conv().conv3d_forward(spec, x.f.cview(), w.f.cview(), {}, out.view());
      }
    };
    for (const bool data : {false, true}) {
      both_passes(y, data);  // version 0: packed for the call
      w.f.mark_changed();
      both_passes(again, data);
      CHECK(same_bytes(y, again));
      for (float& value : w.f.span<float>()) value *= 2;  // exact in binary
      both_passes(again, data);
      CHECK(same_bytes(y, again));  // not told: the cached copy
      w.f.mark_changed();
      both_passes(again, data);
      for (float& value : y.span<float>()) value *= 2;
      CHECK(same_bytes(y, again));
    }
  }
}

TEST_CASE("copies of weights are given back when somebody is done with them") {
  Bench bench;
  const Conv3dSpec spec;
  const Shape shape{1, 6, 5, 7, 24};
  const Both x = bench.random(shape);
  const Tensor y = bench.backend->empty(shape, DType::f32), again = bench.backend->empty(shape, DType::f32);
  const std::size_t before = bench.backend->memory->counters().live_bytes;
  const Both w = bench.random({24, 3, 3, 3, 24});
  w.f.mark_changed();
  bench.conv().conv3d_forward(spec, x.f.cview(), w.f.cview(), {}, y.view());
  const std::size_t with_copy = bench.backend->memory->counters().live_bytes;
  bench.conv().forget_weights();
  CHECK(bench.backend->memory->counters().live_bytes < with_copy);
  CHECK(bench.backend->memory->counters().live_bytes >= before);
  bench.conv().conv3d_forward(spec, x.f.cview(), w.f.cview(), {}, again.view());
  CHECK(same_bytes(y, again));
  CHECK(bench.backend->memory->counters().live_bytes == with_copy);
}

TEST_CASE("no plan is made twice and no memory asked for after the first round; same bytes each round") {
  Bench bench;
  const Conv3dSpec spec, down{k2, k2, none};
  const Both x = bench.random({2, 8, 10, 6, 8}), w = bench.random({8, 3, 3, 3, 8}),
             v = bench.random({16, 2, 2, 2, 8});
  const Both b = bench.random(Shape::vector(8));
  const Tensor y = bench.backend->empty(x.f.shape(), DType::f32),
               dx = bench.backend->filled(x.f.shape(), DType::f32, 0);
  const Tensor small = bench.backend->empty({2, 4, 5, 3, 16}, DType::f32);
  const Tensor dw = bench.backend->filled(w.f.shape(), DType::f32, 0);
  const Tensor dv = bench.backend->filled(v.f.shape(), DType::f32, 0),
               db = bench.backend->empty(b.f.shape(), DType::f32);
  std::vector<Tensor> first;
  PlanCounters plans;
  std::uint64_t asked = 0;
  for (int round = 0; round < 6; ++round) {
    w.f.mark_changed();
    v.f.mark_changed();
    bench.conv().conv3d_forward(spec, x.f.cview(), w.f.cview(), b.f.cview(), y.view());
    bench.conv().conv3d_forward(down, y.cview(), v.f.cview(), {}, small.view());
    bench.conv().conv3d_backward_data(down, small.cview(), v.f.cview(), dx.view(), Accum::write);
    bench.conv().conv3d_backward_data(spec, y.cview(), w.f.cview(), dx.view(), Accum::add);
    bench.conv().conv3d_backward_weights(down, y.cview(), small.cview(), dv.view(), Accum::write);
    bench.conv().conv3d_backward_weights(spec, x.f.cview(), y.cview(), dw.view(), Accum::write);
    bench.conv().conv3d_backward_weights(spec, y.cview(), y.cview(), dw.view(), Accum::add);
    bench.conv().conv_transpose3d_forward(down, small.cview(), v.f.cview(), b.f.cview(), dx.view());
    bench.conv().bias_backward(y.cview(), db.view(), Accum::write);
    const std::vector<Tensor> results{y, small, dx, dv, dw, db};
    if (round == 0) {
      for (const Tensor& result : results) {
        first.push_back(bench.backend->empty(result.shape(), DType::f32));
        std::memcpy(first.back().view().data, result.view().data, result.bytes());
      }
      plans = bench.conv().plan_counters();
      CHECK(plans.misses > 0);
    }
    if (round == 1) asked = bench.backend->memory->counters().system_requests;
    for (std::size_t i = 0; i < results.size(); ++i) CHECK(same_bytes(results[i], first[i]));
  }
  CHECK(bench.conv().plan_counters().misses == plans.misses);
  CHECK(bench.conv().plan_counters().hits > plans.hits);
  CHECK(bench.backend->memory->counters().system_requests == asked);
}

TEST_CASE("one thread and two agree") {
  Bench bench;
  const Conv3dSpec spec;
  const Shape shape{2, 10, 12, 9, 16};
  const Both x = bench.random(shape), w = bench.random({16, 3, 3, 3, 16});
  const int threads = max_threads();
  std::vector<Both> outputs;
  for (const int count : {1, 2}) {
    set_threads(count);
    outputs.push_back(bench.garbage(w.f.shape()));
    bench.conv().conv3d_backward_weights(spec, x.f.cview(), x.f.cview(), outputs.back().f.view(),
                                         Accum::write);
  }
  set_threads(threads);
  bench.conv().conv3d_backward_weights(spec, x.d.cview(), x.d.cview(), outputs[0].d.view(), Accum::write);
  outputs[1].d = outputs[0].d;
  for (const Both& output : outputs) CHECK(error(output) < kTolerance);
}

TEST_CASE("no hot shape runs a reference implementation") {
  for (const Index width : {8, 16}) {
    Index side = 64;
    for (Index c = width; c <= 16 * width; c *= 2, side /= 2) {
      const Shape x{2, side, side, side, c};
      for (const ConvPass pass : {ConvPass::forward, ConvPass::data, ConvPass::weights}) {
        const auto check = [&](const Conv3dSpec& spec, const Shape& in, Index co) {
          const Shape w{co, spec.kernel[0], spec.kernel[1], spec.kernel[2], in.c};
          const std::string name = onednn_implementation(pass, spec, in, w);
          INFO(in << " to " << co << ": " << name);
          CHECK(name.find("ref") == std::string::npos);
        };
        check({}, x, c);
        check({k2, k2, none}, x, 2 * c);
        check({k1, k1, none}, x, 2);
        check({}, {1, side, side, side, 1}, c);
      }
    }
  }
  Bench bench;
  CHECK_FALSE(bench.conv()
                  .implementation(ConvPass::forward, {}, {2, 32, 32, 32, 16}, {16, 3, 3, 3, 16}, DType::f32)
                  .empty());
  MESSAGE(onednn_version());
}

TEST_CASE("shapes and types that do not fit are refused") {
  Bench bench;
  const Both x = bench.random({1, 4, 4, 4, 2}), w = bench.random({3, 3, 3, 3, 2}),
             y = bench.garbage({1, 4, 4, 4, 3});
  const Both odd = bench.garbage({1, 4, 4, 3, 3});
  CHECK_THROWS_AS(bench.conv().conv3d_forward({}, x.f.cview(), w.f.cview(), {}, odd.f.view()), EngineError);
  CHECK_THROWS_AS(bench.conv().conv3d_forward({}, x.f.cview(), w.d.cview(), {}, y.f.view()), EngineError);
  CHECK_THROWS_AS(bench.conv().conv3d_forward({}, x.f.cview(), w.f.cview(), x.f.cview(), y.f.view()),
                  EngineError);
  CHECK_THROWS_AS(bench.conv().conv3d_forward({}, y.f.cview(), w.f.cview(), {}, y.f.view()), EngineError);
}
