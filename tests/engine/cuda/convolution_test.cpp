// The convolutions of the CUDA room on the host: every entry against ref in double, whatever the library has.
#include <doctest/doctest.h>

#include "tests/engine/cuda/convolution_bench.h"

namespace duet::testing {
namespace {

constexpr Library kLibraries[] = {Library::all, Library::bf16_gradients, Library::none};
constexpr DType kTypes[] = {DType::f32, DType::f64, DType::bf16};

// Calls run(conv, side, out, accum) for both sides on an output to be written and one to be added onto.
template <class Run>
void check(Bench& bench, const char* what, const Shape& shape, DType type, double bound, const Run& run,
           bool adds = true) {
  for (const Accum accum : {Accum::write, Accum::add}) {
    if (accum == Accum::add && !adds) continue;
    const Pair out = bench.target(shape, type, accum);
    for (const auto side : kSides) {
      run(side == &Pair::value ? bench.conv() : bench.exact(), side, (out.*side).view(), accum);
    }
    INFO(what << (accum == Accum::add ? " +=" : " =") << " in " << name_of(type));
    CHECK(difference(out) <= bound);
  }
}

struct Case {
  const char* name;
  Conv3dSpec spec;
  Shape x;
  Index co;
};

const std::vector<Case> kCases = {
    {"first layer", kSame, {2, 5, 6, 9, 1}, 16},
    {"first layer, flat", {{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, {2, 1, 7, 9, 1}, 8},
    {"first layer, 5x5x5", {{5, 5, 5}, {1, 1, 1}, {2, 2, 2}}, {1, 6, 5, 7, 1}, 3},
    {"first layer, stride 2", {{3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, {2, 5, 6, 7, 1}, 8},
    {"one output", kSame, {2, 4, 3, 5, 16}, 1},
    {"one to one", kSame, {1, 3, 4, 5, 1}, 1},
    {"tiles", kSame, {2, 5, 3, 18, 16}, 16},
    {"tiles, blocks of channels", kSame, {1, 4, 6, 9, 32}, 48},
    {"whole packs", kSame, {2, 4, 3, 5, 8}, 16},
    {"no whole packs", kSame, {2, 3, 5, 3, 3}, 5},
    {"one voxel", kSame, {3, 1, 1, 1, 4}, 8},
    {"long lines", {{1, 1, 3}, {1, 1, 1}, {0, 0, 1}}, {1, 1, 2, 301, 2}, 4},
    {"down", kDown, {2, 4, 6, 2, 8}, 16},
    {"down, with a rest", kDown, {1, 5, 7, 3, 2}, 4},
    {"stride 2", {{3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, {1, 5, 4, 7, 8}, 8},
    {"kernel 4, stride 2", {{4, 4, 4}, {2, 2, 2}, {1, 1, 1}}, {1, 4, 6, 4, 2}, 3},
    {"gaps", {{2, 2, 2}, {3, 3, 3}, {0, 0, 0}}, {1, 5, 5, 8, 4}, 4},
    {"mixed", {{3, 1, 5}, {1, 2, 3}, {2, 0, 1}}, {2, 4, 5, 7, 2}, 4},
    {"much padding", {{2, 3, 1}, {1, 2, 1}, {3, 4, 2}}, {1, 3, 2, 3, 2}, 2},
    {"1x1x1", kPoint, {2, 3, 2, 4, 3}, 4},
};

bool transposable(const Case& c) {
  for (std::size_t i = 0; i < 3; ++i) {
    if ((c.x.spatial()[i] - 1) * c.spec.stride[i] - 2 * c.spec.padding[i] + c.spec.kernel[i] < 1)
      return false;
  }
  return true;
}

void check_convolution(Bench& bench, const Case& c, DType type) {
  const DType master = master_type(type);
  const Shape shape = weights_of(c.spec, c.co, c.x.c), y_shape = conv3d_output_shape(c.spec, c.x, shape);
  const Pair x = bench.random(c.x, type), w = bench.random(shape, master), dy = bench.random(y_shape, type);
  const Pair b = bench.random(Shape::vector(c.co), master);
  for (const bool bias : {true, false}) {
    const auto run = [&](auto& conv, auto side, View y, Accum) {
      const ConstView with = bias ? (b.*side).cview() : ConstView{};
      conv.conv3d_forward(c.spec, (x.*side).cview(), (w.*side).cview(), with, y);
    };
    check(bench, "conv3d forward", y_shape, type, bound_of(type), run, false);
  }
  check(bench, "conv3d data", c.x, type, bound_of(type), [&](auto& conv, auto side, View dx, Accum accum) {
    conv.conv3d_backward_data(c.spec, (dy.*side).cview(), (w.*side).cview(), dx, accum);
  });
  check(bench, "conv3d weights", shape, master, bound_of(type),
        [&](auto& conv, auto side, View dw, Accum accum) {
          conv.conv3d_backward_weights(c.spec, (x.*side).cview(), (dy.*side).cview(), dw, accum);
        });
}

void check_transposed(Bench& bench, const Case& c, DType type) {
  const DType master = master_type(type);
  const Shape shape = weights_of(c.spec, c.x.c, c.co);
  const Shape y_shape = conv_transpose3d_output_shape(c.spec, c.x, shape);
  const Pair x = bench.random(c.x, type), w = bench.random(shape, master), dy = bench.random(y_shape, type);
  const Pair b = bench.random(Shape::vector(c.co), master);
  for (const bool bias : {true, false}) {
    const auto run = [&](auto& conv, auto side, View y, Accum) {
      const ConstView with = bias ? (b.*side).cview() : ConstView{};
      conv.conv_transpose3d_forward(c.spec, (x.*side).cview(), (w.*side).cview(), with, y);
    };
    check(bench, "transposed forward", y_shape, type, bound_of(type), run, false);
  }
  check(bench, "transposed data", c.x, type, bound_of(type),
        [&](auto& conv, auto side, View dx, Accum accum) {
          conv.conv_transpose3d_backward_data(c.spec, (dy.*side).cview(), (w.*side).cview(), dx, accum);
        });
  check(bench, "transposed weights", shape, master, bound_of(type),
        [&](auto& conv, auto side, View dw, Accum accum) {
          conv.conv_transpose3d_backward_weights(c.spec, (x.*side).cview(), (dy.*side).cview(), dw, accum);
        });
}

// From sample `first` on: not aligned to 16 bytes where a sample has an odd number of elements.
void check_pointwise(Bench& bench, Shape x_shape, Index to, DType type, DType y_type, bool scaled,
                     Index first) {
  const DType master = master_type(type);
  const Index last = x_shape.n;
  const Shape shape{to, 1, 1, 1, x_shape.c};
  const Pair x = bench.random(x_shape, type).samples(first, last), w = bench.random(shape, master);
  const Pair dy = bench.random(x_shape.with_channels(to), y_type).samples(first, last);
  const Pair b = bench.random(Shape::vector(to), master);
  const Pair factors = bench.random({last, 1, 1, 1, x_shape.c}, master);
  const Pair scale = scaled ? factors.samples(first, last) : Pair{};
  x_shape.n = last - first;
  INFO(x_shape << " to " << to << ", " << name_of(y_type) << " y" << (scaled ? ", scaled" : ""));
  check(
      bench, "pointwise forward", x_shape.with_channels(to), y_type, bound_of(type),
      [&](auto& conv, auto side, View y, Accum) {
        conv.pointwise_conv_forward((x.*side).cview(), (scale.*side).cview(), (w.*side).cview(),
                                    (b.*side).cview(), y);
      },
      false);
  check(bench, "pointwise data", x_shape, type, bound_of(type),
        [&](auto& conv, auto side, View dx, Accum accum) {
          conv.pointwise_conv_backward_data((dy.*side).cview(), (scale.*side).cview(), (w.*side).cview(), dx,
                                            accum);
        });
  const double bound = to > 8 ? bound_of(type) : bound_of(master);  // own kernels round nothing to bf16
  check(bench, "pointwise weights", shape, master, bound, [&](auto& conv, auto side, View dw, Accum accum) {
    conv.pointwise_conv_backward_weights((x.*side).cview(), (scale.*side).cview(), (dy.*side).cview(), dw,
                                         accum);
  });
}

}  // namespace

TEST_CASE("convolutions equal ref, whatever the library has") {
  for (const Library has : kLibraries) {
    Bench bench(has);
    for (const Case& c : kCases) {
      for (const DType type : kTypes) {
        INFO(c.name << ", library " << static_cast<int>(has));
        check_convolution(bench, c, type);
        if (transposable(c)) check_transposed(bench, c, type);
      }
    }
  }
}

TEST_CASE("pointwise convolutions equal ref, thin and wide, with factors, between types and in slices") {
  Bench bench;
  bool scaled = false;
  for (const Index from : {1, 3, 8, 12, 16, 40}) {
    for (const Index to : {1, 2, 3, 4, 7, 8, 9, 16}) {
      for (const DType type : kTypes) {
        for (const DType y_type : {type, master_type(type)}) {
          scaled = !scaled;
          check_pointwise(bench, {2, 3, 3, 3, from}, to, type, y_type, scaled, 0);
          check_pointwise(bench, {3, 1, 3, 5, from}, to, type, y_type, !scaled, 1);
        }
      }
    }
  }
  check_pointwise(bench, {2, 32, 32, 33, 8}, 2, DType::bf16, DType::f32, true, 0);  // many blocks
  CHECK(bench.driver->asked.empty());
}

TEST_CASE("bias gradients equal ref") {
  Bench bench;
  for (const Index channels : {1, 2, 3, 8, 16, 300}) {
    for (const Index rows : {1, 63, 5000, 70000}) {
      if (channels * rows > 1'000'000) continue;
      for (const DType type : kTypes) {
        INFO(rows << " rows of " << channels);
        const Pair dy = bench.random({1, 1, 1, rows, channels}, type);
        const DType master = master_type(type);
        check(bench, "db", Shape::vector(channels), master, bound_of(master),
              [&](auto& conv, auto side, View db, Accum accum) {
                conv.bias_backward((dy.*side).cview(), db, accum);
              });
      }
    }
  }
}

TEST_CASE("large convolutions go in blocks") {
  // Two lines of x of 38 MB of scratch each.
  Bench bench;
  const Shape x{1, 1, 2, 2, 1}, w = weights_of(kDown, 1, 300'000);
  const Pair in = bench.random(x, DType::f64), weights = bench.random(w, DType::f64);
  const Pair y = bench.target(conv_transpose3d_output_shape(kDown, x, w), DType::f64, Accum::write);
  const Pair dw = bench.target(w, DType::f64, Accum::write);
  for (const auto side : kSides) {
    ConvolutionKernels& conv = side == &Pair::value ? bench.conv() : bench.exact();
    conv.conv_transpose3d_forward(kDown, (in.*side).cview(), (weights.*side).cview(), {}, (y.*side).view());
    conv.conv_transpose3d_backward_weights(kDown, (in.*side).cview(), (y.*side).cview(), (dw.*side).view(),
                                           Accum::write);
  }
  CHECK(difference(y) <= 1e-12);
  CHECK(difference(dw) <= 1e-12);
  REQUIRE(bench.calls().gemms.size() == 4);
  CHECK(bench.calls().gemms[2].beta == 0.0);
  CHECK(bench.calls().gemms[3].beta == 1.0);
}

TEST_CASE("blocks go over several tiles where there are more tiles than blocks") {
  Bench bench(Library::none);
  const Shape x_shape{1100, 1, 2, 3, 16}, shape = weights_of(kSame, 16, 16);  // a tile each
  const Pair x = bench.random(x_shape, DType::bf16), w = bench.random(shape, DType::f32);
  const Pair y = bench.target(x_shape, DType::bf16, Accum::write);
  const Pair dw = bench.target(shape, DType::f32, Accum::write);
  for (const auto side : kSides) {
    ConvolutionKernels& conv = side == &Pair::value ? bench.conv() : bench.exact();
    conv.conv3d_forward(kSame, (x.*side).cview(), (w.*side).cview(), {}, (y.*side).view());
    conv.conv3d_backward_weights(kSame, (x.*side).cview(), (x.*side).cview(), (dw.*side).view(),
                                 Accum::write);
  }
  CHECK(difference(y) <= bound_of(DType::bf16));
  CHECK(difference(dw) <= bound_of(DType::bf16));
  const auto& launches = bench.calls().launches;
  CHECK(std::count_if(launches.begin(), launches.end(), [](const cuda::Launch& launch) {
          return std::string(launch.name).find("tiles") != std::string::npos && launch.items == 1100 &&
                 launch.geometry.x < 1100;
        }) == 2);
}

}  // namespace duet::testing
