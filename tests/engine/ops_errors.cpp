// What ops say about operands that do not fit: one row an error, with what the message must contain.
#include <doctest/doctest.h>
#include <functional>
#include <iostream>

#include "engine/ops/conv.h"
#include "engine/ops/loss.h"
#include "engine/ops/norm.h"
#include "engine/ops/pointwise.h"
#include "engine/ops/region.h"
#include "tests/support/backends.h"

namespace duet::testing {
namespace {

struct Row {
  std::string expected;
  std::function<void(Backend&)> call;
  bool of_values = false;  // a device that is not waited for gives NaN instead
};

Var zeros(Backend& b, const Shape& shape, DType dtype = DType::f32) {
  return Var::constant(b.filled(shape, dtype, 0));
}

const Conv3dSpec kSame{}, kPoint{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}}, kBig{{5, 5, 5}, {1, 1, 1}, {0, 0, 0}};
const Shape kX{2, 4, 4, 4, 6};

std::vector<Row> conv_rows() {
  return {
      {"conv3d: weights (8,3,3,3,4) expect 4 input channels, got 6",
       [](Backend& b) {
         conv3d(b, kSame, zeros(b, kX), zeros(b, {8, 3, 3, 3, 4}));
       }},
      {"conv3d: weights (8,1,1,1,4) expect 4 input channels, got 6",
       [](Backend& b) {
         conv3d(b, kPoint, zeros(b, kX), zeros(b, {8, 1, 1, 1, 4}));
       }},
      {"conv3d: weights (8,3,3,1,6) do not have the kernel 3x3x3",
       [](Backend& b) {
         conv3d(b, kSame, zeros(b, kX), zeros(b, {8, 3, 3, 1, 6}));
       }},
      {"conv3d: bias (1,1,1,1,7) should be (1,1,1,1,8)",
       [](Backend& b) {
         conv3d(b, kSame, zeros(b, kX), zeros(b, {8, 3, 3, 3, 6}), zeros(b, Shape::vector(7)));
       }},
      {"conv3d: kernel 5 with padding 0 does not fit input (2,4,4,4,6)",
       [](Backend& b) {
         conv3d(b, kBig, zeros(b, kX), zeros(b, {8, 5, 5, 5, 6}));
       }},
      {"conv3d: weights of f64 do not go with an input of f32",
       [](Backend& b) {
         conv3d(b, kSame, zeros(b, kX), zeros(b, {8, 3, 3, 3, 6}, DType::f64));
       }},
      {"conv3d: input or weights are missing", [](Backend& b) { conv3d(b, kSame, zeros(b, kX), Var{}); }},
      {"conv3d: kernel 3, stride 0",
       [](Backend& b) {
         conv3d(b, {{3, 3, 3}, {1, 0, 1}, {1, 1, 1}}, zeros(b, kX), zeros(b, {8, 3, 3, 3, 6}));
       }},
      {"conv_transpose3d: weights (4,2,2,2,8) expect 4 input channels, got 6",
       [](Backend& b) {
         conv_transpose3d(b, {{2, 2, 2}, {2, 2, 2}, {0, 0, 0}}, zeros(b, kX), zeros(b, {4, 2, 2, 2, 8}));
       }},
      {"conv_transpose3d: bias (1,1,1,1,6) should be (1,1,1,1,8)",
       [](Backend& b) {
         conv_transpose3d(b, kSame, zeros(b, kX), zeros(b, {6, 3, 3, 3, 8}), zeros(b, Shape::vector(6)));
       }},
      {"conv_transpose3d: input (1,1,1,1,2) gives no output",
       [](Backend& b) {
         conv_transpose3d(b, {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}, zeros(b, {1, 1, 1, 1, 2}),
                          zeros(b, {2, 1, 1, 1, 3}));
       }},
  };
}

Var normed(Backend& b, const NormSpec& spec, NormMode mode, const Shape& x,
           RunningStatistics* running = nullptr) {
  return norm(b, spec, mode, zeros(b, x), {}, {}, running);
}

std::vector<Row> norm_rows() {
  return {
      {"instance_norm: input (2,1,1,1,3) leaves one value",
       [](Backend& b) {
         normed(b, {NormKind::instance}, NormMode::batch, {2, 1, 1, 1, 3});
       }},
      {"batch_norm: input (1,1,1,1,3) leaves one value",
       [](Backend& b) {
         normed(b, {NormKind::batch}, NormMode::batch_no_update, {1, 1, 1, 1, 3});
       }},
      {"batch_norm: 4 samples do not divide into 3 folds",
       [](Backend& b) {
         normed(b, {NormKind::batch, 1e-5, 1, 3}, NormMode::batch_no_update, {4, 2, 2, 2, 3});
       }},
      {"group_norm: 6 channels do not divide into 4 groups",
       [](Backend& b) {
         normed(b, {NormKind::group, 1e-5, 4}, NormMode::batch, kX);
       }},
      {"batch_norm: running statistics are missing",
       [](Backend& b) { normed(b, {NormKind::batch}, NormMode::batch, kX); }},
      {"batch_norm: running statistics (1,1,1,1,5) and (1,1,1,1,5) should be (1,1,1,1,6)",
       [](Backend& b) {
         RunningStatistics running{zeros(b, Shape::vector(5)).value(), zeros(b, Shape::vector(5)).value()};
         normed(b, {NormKind::batch}, NormMode::batch, kX, &running);
       }},
      {"batch_norm: running statistics (1,1,1,1,6) and (1,1,1,1,5) should be (1,1,1,1,6)",
       [](Backend& b) {
         RunningStatistics running{zeros(b, Shape::vector(6)).value(), zeros(b, Shape::vector(5)).value()};
         normed(b, {NormKind::batch}, NormMode::running, kX, &running);
       }},
      {"instance_norm: gamma and beta, both or neither",
       [](Backend& b) {
         norm(b, {NormKind::instance}, NormMode::batch, zeros(b, kX), zeros(b, Shape::vector(6)), {});
       }},
      {"instance_norm: gamma (1,1,1,1,5)",
       [](Backend& b) {
         const Var wrong = zeros(b, Shape::vector(5));
         norm(b, {NormKind::instance}, NormMode::batch, zeros(b, kX), wrong, wrong);
       }},
  };
}

std::vector<Row> other_rows() {
  return {
      {"add: operands (2,4,4,4,6) f32 and (2,4,4,4,1) f32 differ",
       [](Backend& b) { add(b, zeros(b, kX), zeros(b, kX.with_channels(1))); }},
      {"multiply: operands (2,4,4,4,6) f32 and (2,4,4,4,6) f64 differ",
       [](Backend& b) { multiply(b, zeros(b, kX), zeros(b, kX, DType::f64)); }},
      {"leaky_relu: slope 0 should be above 0", [](Backend& b) { leaky_relu(b, zeros(b, kX), 0.0); }},
      {"prelu: slope (1,1,1,1,4) should be one value or one a channel of (2,4,4,4,6)",
       [](Backend& b) { prelu(b, zeros(b, kX), zeros(b, Shape::vector(4))); }},
      {"dropout: p = 1 should be in [0, 1)",
       [](Backend& b) {
         dropout(b, {{}, 1.0}, zeros(b, kX));
       }},
      {"dropout: 2 samples do not divide into passes of 3",
       [](Backend& b) {
         dropout(b, {{}, 0.5, true, 3}, zeros(b, kX));
       }},
      {"slice: box (1,4,4,4,6) at (2,0,0,0,0) is not inside (2,4,4,4,6)",
       [](Backend& b) {
         slice(b, zeros(b, kX), {2, 0, 0, 0, 0}, kX.with_batch(1));
       }},
      {"slice: box (2,4,4,4,6) at (0,0,0,0,-1)",
       [](Backend& b) {
         slice(b, zeros(b, kX), {0, 0, 0, 0, -1}, kX);
       }},
      {"samples [1,3) of (2,4,4,4,6)", [](Backend& b) { samples(b, zeros(b, kX), 1, 3); }},
      {"samples [1,1) of (2,4,4,4,6)", [](Backend& b) { samples(b, zeros(b, kX), 1, 1); }},
      {"concat: part (2,4,4,3,6) does not fit (2,4,4,4,6)",
       [](Backend& b) {
         concat(b, Axis::c, std::vector<Var>{zeros(b, kX), zeros(b, {2, 4, 4, 3, 6})});
       }},
      {"concat: nothing", [](Backend& b) { concat(b, Axis::c, {}); }},
      {"pad: sizes should not be negative",
       [](Backend& b) {
         pad(b, zeros(b, kX), {0, -1, 0, 0, 0}, {});
       }},
      {"repeat_batch: times 0", [](Backend& b) { repeat_batch(b, zeros(b, kX), 0); }},
      {"pool: kernel 5 with padding 0 does not fit input (2,4,4,4,6)",
       [](Backend& b) {
         max_pool(b, {{5, 5, 5}, {1, 1, 1}, {0, 0, 0}}, zeros(b, kX));
       }},
      {"pool: padding 2 is not below kernel 2",
       [](Backend& b) {
         average_pool(b, {{2, 2, 2}, {2, 2, 2}, {2, 2, 2}}, zeros(b, kX));
       }},
      {"upsample: factor 0",
       [](Backend& b) {
         upsample(b, UpsampleKind::nearest, {1, 0, 1}, zeros(b, kX));
       }},
      {"2^48",
       [](Backend& b) {
         upsample(b, UpsampleKind::nearest, {1 << 20, 1 << 20, 1 << 20}, zeros(b, kX));
       }},
      {"cross_entropy: target (2,4,4,4,6) u8 should be (2,4,4,4,1) u8",
       [](Backend& b) {
         cross_entropy(b, zeros(b, kX), b.empty(kX, DType::u8), unweighted(b, kX, DType::f32));
       }},
      {"cross_entropy: target (2,4,4,4,1) f32 should be (2,4,4,4,6)",
       [](Backend& b) {
         cross_entropy(b, zeros(b, kX), b.empty(kX.with_channels(1), DType::f32),
                       unweighted(b, kX, DType::f32));
       }},
      {"cross_entropy: the target is missing",
       [](Backend& b) { cross_entropy(b, zeros(b, kX), {}, unweighted(b, kX, DType::f32)); }},
      {"cross_entropy: weights (2,4,4,4,6) should be (2,4,4,4,1) f32",
       [](Backend& b) {
         cross_entropy(b, zeros(b, kX), b.empty(kX, DType::f32), {zeros(b, kX).value(), {}});
       }},
      {"cross_entropy: the denominator should be a scalar f32",
       [](Backend& b) { cross_entropy(b, zeros(b, kX), b.empty(kX, DType::f32), {}); }},
      {"cross_entropy: expected classes below 6, found 6",
       [](Backend& b) {
         const Tensor target = b.filled(kX.with_channels(1), DType::u8, 6);
         cross_entropy(b, zeros(b, kX), target, unweighted(b, kX, DType::f32));
       },
       true},
      {"dice: target (2,4,4,4,1) f32 should be (2,4,4,4,6)",
       [](Backend& b) { dice_loss(b, {}, zeros(b, kX), b.empty(kX.with_channels(1), DType::f32), {}); }},
      {"dice: one class and no background leave nothing",
       [](Backend& b) {
         dice_loss(b, {}, zeros(b, {1, 2, 2, 2, 1}), b.empty({1, 2, 2, 2, 1}, DType::u8), {});
       }},
      {"squared_error: operands (2,4,4,4,6) and (2,4,4,4,5) differ",
       [](Backend& b) {
         squared_error(b, zeros(b, kX), zeros(b, kX.with_channels(5)), unweighted(b, kX, DType::f32));
       }},
  };
}

}  // namespace

TEST_CASE("ops name themselves and both shapes when operands do not fit") {
  std::size_t count = 0;
  for (const std::string& name : tested_backends()) {
    Backend& backend = backend_of(name);
    const std::size_t live = backend.memory->counters().live_bytes;
    for (const auto& rows : {conv_rows(), norm_rows(), other_rows()}) {
      for (const Row& row : rows) {
        if (row.of_values && !backend.memory->on_host()) continue;
        ++count;
        std::string message = "no error";
        try {
          row.call(backend);
        } catch (const EngineError& error) {
          message = error.what();
        }
        INFO(name, ": expected '", row.expected, "', got '", message, "'");
        CHECK(message.find(row.expected) != std::string::npos);
      }
    }
    CHECK(backend.memory->counters().live_bytes == live);
  }
  std::cout << "op error rows: " << count << std::endl;
}

TEST_CASE("memory over the limit is an error that names the op") {
  Backend& backend = ref_backend();
  const Var x = zeros(backend, {1, 8, 8, 8, 4});
  backend.memory->release_cached();
  backend.memory->set_limit(backend.memory->counters().reserved_bytes + 1000);
  std::string message;
  try {
    relu(backend, x);
  } catch (const Error& error) {
    message = error.what();
    CHECK(error.code() == ExitCode::device);
  }
  backend.memory->set_limit(0);
  CHECK(message.find("relu") != std::string::npos);
}

}  // namespace duet::testing
