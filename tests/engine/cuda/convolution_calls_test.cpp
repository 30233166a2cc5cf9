// What the CUDA room's convolutions ask of the library and of matrix products: shapes, types, pointers and
// whether results are added; the cache of bf16 weights; what is refused.
#include <doctest/doctest.h>

#include "tests/engine/cuda/convolution_bench.h"

namespace duet::testing {
namespace {

struct Wanted {
  ConvPass pass;
  Shape x, w, y;
  DType activations, weights;
  Accum accum;
};

void check_asked(const cuda::ConvCall& call, const Conv3dSpec& spec, const Wanted& wanted) {
  CHECK((call.pass == wanted.pass));
  CHECK((call.spec == spec));
  CHECK((call.x == wanted.x));
  CHECK((call.w == wanted.w));
  CHECK((call.y == wanted.y));
  CHECK((call.activations == wanted.activations));
  CHECK((call.weights == wanted.weights));
  CHECK((call.accum == wanted.accum));
}

struct Product {
  Index m, n, k;
  bool transpose_a, transpose_b;
  DType inputs, output;
  double beta;
};

void check_product(const cuda::GemmCall& call, const Product& wanted) {
  CHECK(call.m == wanted.m);
  CHECK(call.n == wanted.n);
  CHECK(call.k == wanted.k);
  CHECK(call.transpose_a == wanted.transpose_a);
  CHECK(call.transpose_b == wanted.transpose_b);
  CHECK((call.inputs == wanted.inputs));
  CHECK((call.output == wanted.output));
  CHECK(call.beta == wanted.beta);
}

constexpr Accum kBoth[] = {Accum::write, Accum::add};
constexpr DType kFast[] = {DType::f32, DType::bf16};

double beta_of(Accum accum) { return accum == Accum::add ? 1.0 : 0.0; }

// Tensors of one convolution.
struct Operands {
  Tensor x, w, b, y, dw;
  Operands(Bench& bench, const Shape& x_shape, const Shape& w_shape, const Shape& y_shape, DType type,
           DType y_type)
      : x(bench.random(x_shape, type).value),
        w(bench.random(w_shape, master_type(type)).value),
        b(bench.random(Shape::vector(y_shape.c), master_type(type)).value),
        y(bench.random(y_shape, y_type).value),
        dw(bench.random(w_shape, master_type(type)).value) {}
};

}  // namespace

TEST_CASE("convolutions are asked of the library, in f32 and bf16, written and added") {
  const Shape x{2, 4, 3, 5, 12}, w{14, 3, 3, 3, 12}, y{2, 4, 3, 5, 14};
  for (const DType type : kFast) {
    Bench bench;
    const Operands t(bench, x, w, y, type, type);
    bench.conv().conv3d_forward(kSame, t.x.cview(), t.w.cview(), t.b.cview(), t.y.view());
    REQUIRE(bench.driver->asked.size() == 1);
    const cuda::ConvCall forward = bench.driver->asked[0];
    check_asked(forward, kSame, {ConvPass::forward, x, w, y, type, type, Accum::write});
    CHECK(forward.first == t.x.view().data);
    CHECK((forward.second == t.w.view().data) == (type == DType::f32));
    CHECK(forward.result == t.y.view().data);
    CHECK(bench.launches("conv3d bias") == 1);
    for (const Accum accum : kBoth) {
      bench.forget();
      bench.conv().conv3d_backward_data(kSame, t.y.cview(), t.w.cview(), t.x.view(), accum);
      bench.conv().conv3d_backward_weights(kSame, t.x.cview(), t.y.cview(), t.dw.view(), accum);
      REQUIRE(bench.driver->asked.size() == 2);
      const cuda::ConvCall data = bench.driver->asked[0], weights = bench.driver->asked[1];
      check_asked(data, kSame, {ConvPass::data, x, w, y, type, type, accum});
      CHECK(data.first == t.y.view().data);
      CHECK(data.result == t.x.view().data);
      check_asked(weights, kSame, {ConvPass::weights, x, w, y, type, DType::f32, accum});
      CHECK(weights.first == t.x.view().data);
      CHECK(weights.second == t.y.view().data);
      CHECK(weights.result == t.dw.view().data);
    }
    CHECK(bench.calls().gemms.empty());
    CHECK(bench.conv().plan_counters().misses > 0);
  }
}

TEST_CASE("a gradient of bf16 weights goes through scratch where the library has no f32 one") {
  const Shape x{2, 4, 3, 5, 24}, w{24, 3, 3, 3, 24};
  for (const Accum accum : kBoth) {
    Bench bench(Library::bf16_gradients);
    const Operands t(bench, x, w, x, DType::bf16, DType::bf16);
    bench.conv().conv3d_backward_weights(kSame, t.x.cview(), t.y.cview(), t.dw.view(), accum);
    REQUIRE(bench.driver->asked.size() == 2);
    check_asked(bench.driver->asked[0], kSame, {ConvPass::weights, x, w, x, DType::bf16, DType::f32, accum});
    check_asked(bench.driver->asked[1], kSame,
                {ConvPass::weights, x, w, x, DType::bf16, DType::bf16, Accum::write});
    CHECK(bench.driver->asked[1].result != t.dw.view().data);
  }
}

TEST_CASE("one channel on either side and f64 are not asked of the library") {
  Bench bench;
  const Operands first(bench, {1, 4, 4, 4, 1}, {8, 3, 3, 3, 1}, {1, 4, 4, 4, 8}, DType::bf16, DType::bf16);
  const Operands last(bench, {1, 4, 4, 4, 8}, {1, 3, 3, 3, 8}, {1, 4, 4, 4, 1}, DType::f32, DType::f32);
  const Operands exact(bench, {1, 4, 4, 4, 2}, {4, 3, 3, 3, 2}, {1, 4, 4, 4, 4}, DType::f64, DType::f64);
  bench.forget();
  for (const Operands* t : {&first, &last, &exact}) {
    bench.conv().conv3d_forward(kSame, t->x.cview(), t->w.cview(), t->b.cview(), t->y.view());
    bench.conv().conv3d_backward_data(kSame, t->y.cview(), t->w.cview(), t->x.view(), Accum::write);
    bench.conv().conv3d_backward_weights(kSame, t->x.cview(), t->y.cview(), t->dw.view(), Accum::write);
  }
  CHECK(bench.driver->asked.empty());
  CHECK(bench.launches("conv3d forward") == 3);
  CHECK(bench.launches("conv3d bias") == 0);  // added on the way
  CHECK(bench.launches("conv3d packed weights") == 0);
  CHECK(bench.calls().downloads == 0);
}

TEST_CASE(
    "the weight gradient of few channels on both sides is gathered, the other passes are the library's") {
  const Shape x{2, 4, 3, 5, 16}, w{8, 3, 3, 3, 16}, y{2, 4, 3, 5, 8};
  for (const DType type : kFast) {
    Bench bench;
    const Operands t(bench, x, w, y, type, type);
    bench.forget();
    bench.conv().conv3d_backward_weights(kSame, t.x.cview(), t.y.cview(), t.dw.view(), Accum::add);
    CHECK(bench.driver->asked.empty());
    CHECK(bench.launches("conv3d weight gradient") == 2);  // chunks, and their sum
    CHECK(bench.conv().implementation(ConvPass::weights, kSame, x, w, type) == "own:direct");
    CHECK(bench.conv().implementation(ConvPass::forward, kSame, x, w, type) == "library");
  }
  Bench bench;  // windows that tile the input stay a product of matrices
  const Operands down(bench, {1, 4, 4, 4, 8}, {16, 2, 2, 2, 8}, {1, 2, 2, 2, 16}, DType::f32, DType::f32);
  bench.conv().conv3d_backward_weights(kDown, down.x.cview(), down.y.cview(), down.dw.view(), Accum::write);
  CHECK(bench.calls().gemms.size() == 1);
}

TEST_CASE("a transposed convolution that tiles its output is a matrix product") {
  const Shape x{2, 2, 3, 2, 6}, w{6, 2, 2, 2, 4}, y{2, 4, 6, 4, 4};
  const Index rows = x.rows(), wide = 8 * 4;
  for (const DType type : kFast) {
    for (const Accum accum : kBoth) {
      Bench bench;
      const Operands t(bench, x, w, y, type, type);
      bench.conv().conv_transpose3d_forward(kDown, t.x.cview(), t.w.cview(), t.b.cview(), t.y.view());
      bench.conv().conv_transpose3d_backward_data(kDown, t.y.cview(), t.w.cview(), t.x.view(), accum);
      bench.conv().conv_transpose3d_backward_weights(kDown, t.x.cview(), t.y.cview(), t.dw.view(), accum);
      REQUIRE(bench.calls().gemms.size() == 3);
      const std::vector<cuda::GemmCall>& gemms = bench.calls().gemms;
      check_product(gemms[0], {rows, wide, 6, false, false, type, type, 0.0});
      check_product(gemms[1], {rows, 6, wide, false, true, type, type, beta_of(accum)});
      check_product(gemms[2], {6, wide, rows, true, false, type, DType::f32, beta_of(accum)});
      CHECK(gemms[0].a == t.x.view().data);
      CHECK(gemms[1].c == t.x.view().data);
      CHECK(gemms[2].c == t.dw.view().data);
      CHECK(bench.driver->asked.empty());
      CHECK(bench.launches("conv3d bias") == 0);
    }
  }
}

TEST_CASE("any other transposed convolution is the convolution from its output to its input") {
  const Conv3dSpec spec{{3, 3, 3}, {2, 2, 2}, {1, 1, 1}};
  const Shape x{1, 3, 2, 4, 12}, w{12, 3, 3, 3, 14}, y = conv_transpose3d_output_shape(spec, x, w);
  for (const Accum accum : kBoth) {
    Bench bench;
    const Operands t(bench, x, w, y, DType::f32, DType::f32);
    bench.conv().conv_transpose3d_forward(spec, t.x.cview(), t.w.cview(), t.b.cview(), t.y.view());
    bench.conv().conv_transpose3d_backward_data(spec, t.y.cview(), t.w.cview(), t.x.view(), accum);
    bench.conv().conv_transpose3d_backward_weights(spec, t.x.cview(), t.y.cview(), t.dw.view(), accum);
    const std::vector<cuda::ConvCall>& asked = bench.driver->asked;
    REQUIRE(asked.size() == 3);
    check_asked(asked[0], spec, {ConvPass::data, y, w, x, DType::f32, DType::f32, Accum::write});
    check_asked(asked[1], spec, {ConvPass::forward, y, w, x, DType::f32, DType::f32, accum});
    check_asked(asked[2], spec, {ConvPass::weights, y, w, x, DType::f32, DType::f32, accum});
    CHECK(bench.launches("conv3d bias") == 1);
  }
}

TEST_CASE(
    "pointwise convolutions: few outputs by own kernels, more as matrix products, one a sample with "
    "factors") {
  const Index rows = 2 * 3 * 3, ci = 5, co = 12;
  const Shape x{2, 1, 3, 3, ci};
  for (const DType type : kFast) {
    for (const DType y_type : {type, DType::f32}) {
      for (const bool scaled : {false, true}) {
        Bench bench;
        const Operands few(bench, x, {8, 1, 1, 1, ci}, x.with_channels(8), type, y_type);
        const Operands many(bench, x, {co, 1, 1, 1, ci}, x.with_channels(co), type, y_type);
        const Tensor factors = bench.random({2, 1, 1, 1, ci}, DType::f32).value;
        const ConstView scale = scaled ? factors.cview() : ConstView{};
        bench.forget();
        for (const Operands* t : {&few, &many}) {
          bench.conv().pointwise_conv_forward(t->x.cview(), scale, t->w.cview(), t->b.cview(), t->y.view());
          bench.conv().pointwise_conv_backward_data(t->y.cview(), scale, t->w.cview(), t->x.view(),
                                                    Accum::add);
          bench.conv().pointwise_conv_backward_weights(t->x.cview(), scale, t->y.cview(), t->dw.view(),
                                                       Accum::add);
          if (t == &few) CHECK(bench.calls().gemms.empty());
        }
        const std::vector<cuda::GemmCall>& gemms = bench.calls().gemms;
        const Index samples = scaled ? 2 : 1, each = rows / samples;
        REQUIRE(gemms.size() == static_cast<std::size_t>(3 * samples));
        for (std::size_t n = 0; n < static_cast<std::size_t>(samples); ++n) {
          check_product(gemms[n], {each, co, ci, false, true, type, y_type, 0.0});
          const std::size_t data = static_cast<std::size_t>(samples) + n, weights = data + data - n;
          check_product(gemms[data], {each, ci, co, false, false, type, type, 1.0});
          check_product(gemms[weights], {co, ci, each, true, false, type, DType::f32, scaled ? 0.0 : 1.0});
        }
        CHECK(bench.launches("pointwise_conv dy") ==
              (y_type == type ? 0 : 2 * static_cast<std::size_t>(samples)));
        CHECK(bench.driver->asked.empty());
        CHECK(bench.calls().downloads == 0);
      }
    }
  }
}

TEST_CASE("bf16 weights are made once a version, and for each call where there is none") {
  const char* packing = "conv3d packed weights";
  const Shape x{1, 3, 3, 3, 8}, w{8, 3, 3, 3, 8};
  Bench bench;
  const Operands t(bench, x, w, x, DType::bf16, DType::bf16);
  const auto passes = [&] {
    bench.forget();
    bench.conv().conv3d_forward(kSame, t.x.cview(), t.w.cview(), {}, t.y.view());
    bench.conv().conv3d_backward_data(kSame, t.y.cview(), t.w.cview(), t.x.view(), Accum::write);
    return bench.launches(packing);
  };
  CHECK(passes() == 2);  // version 0
  t.w.mark_changed();
  CHECK(passes() == 1);
  const void* packed = bench.driver->asked[0].second;
  CHECK(passes() == 0);
  CHECK(bench.driver->asked[1].second == packed);

  const std::size_t live = bench.room->memory->counters().live_bytes;
  bench.room->pointwise->fill(t.w.view(), 0.0);
  t.w.mark_changed();
  CHECK(passes() == 1);
  CHECK(bench.driver->asked[0].second == packed);  // into the same memory
  CHECK(bench.room->memory->counters().live_bytes == live);
  CHECK(to_values(t.x) == std::vector<double>(static_cast<std::size_t>(x.elements()), 0.0));
}

TEST_CASE("workspaces of the library are counted, limited, and asked of the system once") {
  constexpr std::size_t kWorkspace = std::size_t{1} << 22;
  const Shape x{1, 4, 4, 4, 20}, w{20, 3, 3, 3, 20};
  Bench bench;
  Allocator& memory = *bench.room->memory;
  const Operands t(bench, x, w, x, DType::f32, DType::f32);
  const Operands point(bench, x, {20, 1, 1, 1, 20}, x, DType::f32, DType::f32);
  bench.driver->host.library_workspace = kWorkspace;
  const auto step = [&] {
    bench.conv().conv3d_forward(kSame, t.x.cview(), t.w.cview(), {}, t.y.view());
    bench.conv().pointwise_conv_forward(point.x.cview(), {}, point.w.cview(), {}, point.y.view());
  };
  const MemoryCounters before = memory.counters();
  step();
  const MemoryCounters after = memory.counters();
  CHECK(after.peak_bytes >= before.live_bytes + kWorkspace);
  CHECK(after.live_bytes == before.live_bytes);
  step();
  CHECK(memory.counters().system_requests == after.system_requests);

  memory.release_cached();
  memory.set_limit(after.live_bytes + kWorkspace / 2);
  CHECK_THROWS_WITH_AS(step(), doctest::Contains("workspace of a convolution"), Error);
}

TEST_CASE("names of implementations") {
  const Shape x{1, 8, 8, 8, 24}, w{24, 3, 3, 3, 24};
  const auto name = [&](Library has, ConvPass pass, const Conv3dSpec& spec, const Shape& from,
                        const Shape& by,
                        DType type) { return Bench(has).conv().implementation(pass, spec, from, by, type); };
  CHECK(name(Library::all, ConvPass::forward, kSame, x, w, DType::bf16) == "library");
  CHECK(name(Library::bf16_gradients, ConvPass::weights, kSame, x, w, DType::bf16) == "library");
  CHECK(name(Library::none, ConvPass::data, kSame, x, w, DType::f32) == "own:direct");
  CHECK(name(Library::none, ConvPass::weights, kSame, x, w, DType::bf16) == "own:direct");
  CHECK(name(Library::all, ConvPass::forward, kSame, x, w, DType::f64) == "own:direct");
  CHECK(name(Library::all, ConvPass::weights, kSame, x.with_channels(1), {24, 3, 3, 3, 1}, DType::f32) ==
        "own:direct");
  CHECK(name(Library::all, ConvPass::forward, kPoint, x, {2, 1, 1, 1, 24}, DType::f32) == "own:thin");
  CHECK(name(Library::all, ConvPass::forward, kPoint, x, {9, 1, 1, 1, 24}, DType::f32) == "cublas");
  CHECK(name(Library::all, ConvPass::data, kDown, x, {8, 2, 2, 2, 24}, DType::bf16) == "cublas");
  CHECK(name(Library::all, ConvPass::forward, kDown, x, {8, 2, 2, 2, 24}, DType::bf16) == "library");
}

TEST_CASE("which channels go to own kernels on tensor cores") {
  const auto is_own = [](ConvPass pass, Index ci, Index co, DType type) {
    const Shape x{1, 8, 8, 8, ci}, w{co, 3, 3, 3, ci};
    return Bench().conv().implementation(pass, kSame, x, w, type) == "own:halo";
  };
  CHECK(is_own(ConvPass::weights, 16, 64, DType::bf16));
  CHECK(is_own(ConvPass::weights, 64, 32, DType::f32));
  CHECK(!is_own(ConvPass::weights, 128, 16, DType::f32));
  CHECK(!is_own(ConvPass::weights, 8, 16, DType::f32));
  CHECK(!is_own(ConvPass::weights, 16, 16, DType::f64));
  CHECK(is_own(ConvPass::forward, 16, 16, DType::bf16));
  CHECK(!is_own(ConvPass::forward, 16, 32, DType::bf16));
  CHECK(is_own(ConvPass::forward, 32, 16, DType::f32));
  CHECK(is_own(ConvPass::data, 64, 128, DType::f32));
}

TEST_CASE("where a block has too little shared memory the library convolves, and no launch asks for more") {
  const Shape x{1, 8, 8, 8, 16}, w{16, 3, 3, 3, 16};
  for (const std::size_t kib : {48, 99, 163}) {  // the least there is, desktops' cards, an A100
    Bench bench;
    bench.driver->host.shared = kib << 10;
    for (const DType type : {DType::f32, DType::bf16}) {
      for (const ConvPass pass : {ConvPass::forward, ConvPass::data, ConvPass::weights}) {
        INFO(kib << " KiB, " << name_of(type) << ", pass " << static_cast<int>(pass));
        const bool large = type == DType::f32 && pass != ConvPass::weights;
        CHECK((bench.conv().implementation(pass, kSame, x, w, type) == "own:halo") == (!large || kib > 101));
      }
      const Tensor in = bench.room->filled(x, type, 1, "x"), out = bench.room->empty(x, type, "y");
      const Tensor weights = bench.room->filled(w, DType::f32, 1, "w");
      bench.conv().conv3d_forward(kSame, in.cview(), weights.cview(), {}, out.view());
      bench.conv().conv3d_backward_data(kSame, out.cview(), weights.cview(), in.view(), Accum::write);
      bench.conv().conv3d_backward_weights(kSame, in.cview(), out.cview(), weights.view(), Accum::write);
    }
    for (const cuda::Launch& launch : bench.driver->host.calls.launches)
      CHECK(launch.geometry.shared <= bench.driver->host.shared);
  }
}

TEST_CASE("shapes and types that do not fit are refused before anything runs") {
  Bench bench;
  ConvolutionKernels& conv = bench.conv();
  const auto make = [&](const Shape& shape, DType type = DType::f32) {
    return bench.random(shape, type).value;
  };
  const Tensor x = make({1, 4, 4, 4, 2}), w = make({3, 3, 3, 3, 2}), y = make({1, 4, 4, 4, 3});
  const Tensor odd = make({1, 4, 4, 3, 3}), w64 = make(w.shape(), DType::f64),
               x16 = make(x.shape(), DType::bf16);
  const Tensor p = make({3, 1, 1, 1, 2}), up = make({2, 2, 2, 2, 3}), scale = make({2, 1, 1, 1, 2});
  const Tensor b64 = make(Shape::vector(3), DType::f64), ints = bench.room->filled(x.shape(), DType::i32, 0);
  bench.forget();
  const auto write = Accum::write;
  CHECK_THROWS_AS(conv.conv3d_forward(kSame, x.cview(), w.cview(), {}, odd.view()), EngineError);
  CHECK_THROWS_AS(conv.conv3d_forward(kSame, x.cview(), w64.cview(), {}, y.view()), EngineError);
  CHECK_THROWS_AS(conv.conv3d_forward(kSame, x16.cview(), w.cview(), {}, y.view()), EngineError);
  CHECK_THROWS_AS(conv.conv3d_forward(kSame, ints.cview(), w.cview(), {}, y.view()), EngineError);
  CHECK_THROWS_AS(conv.conv3d_forward(kSame, x.cview(), w.cview(), x.cview(), y.view()), EngineError);
  CHECK_THROWS_AS(conv.conv3d_forward(kSame, x.cview(), w.cview(), b64.cview(), y.view()), EngineError);
  CHECK_THROWS_AS(conv.conv3d_backward_data(kSame, odd.cview(), w.cview(), x.view(), write), EngineError);
  CHECK_THROWS_AS(conv.conv3d_backward_weights(kSame, x16.cview(), y.cview(), w.view(), write), EngineError);
  CHECK_THROWS_AS(conv.conv_transpose3d_forward(kDown, x.cview(), up.cview(), {}, y.view()), EngineError);
  CHECK_THROWS_AS(conv.conv_transpose3d_backward_data(kDown, y.cview(), up.cview(), x.view(), write),
                  EngineError);
  CHECK_THROWS_AS(conv.pointwise_conv_forward(x.cview(), {}, w.cview(), {}, y.view()), EngineError);
  CHECK_THROWS_AS(conv.pointwise_conv_forward(x.cview(), scale.cview(), p.cview(), {}, y.view()),
                  EngineError);
  CHECK_THROWS_AS(conv.pointwise_conv_backward_data(odd.cview(), {}, p.cview(), x.view(), write),
                  EngineError);
  CHECK_THROWS_AS(conv.bias_backward(y.cview(), x.view(), write), EngineError);
  CHECK_THROWS_AS(conv.bias_backward(y.cview(), b64.view(), write), EngineError);
  CHECK_THROWS_AS(conv.bias_backward(y.cview(), {}, write), EngineError);
  CHECK(bench.calls().all() == 0);
  CHECK(bench.driver->asked.empty());
}

}  // namespace duet::testing
