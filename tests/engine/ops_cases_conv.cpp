// Cases of engine/ops/conv.h.
#include "engine/ops/conv.h"
#include "tests/engine/ops_cases.h"

namespace duet::testing {
namespace {

constexpr bool kBias = true, kNoBias = false;

Var bias_of(const Operands& in) { return in.size() > 2 ? in[2] : Var{}; }

OpCase conv(const char* op, const Conv3dSpec& spec, const Shape& x, Index to, bool bias) {
  const Shape w{to, spec.kernel[0], spec.kernel[1], spec.kernel[2], x.c};
  OpCase result{
      op,
      text(x, " by ", w, " stride ", spec.stride[2], " padding ", spec.padding[2], bias ? " bias" : ""),
      {{x}, {w, Role::parameter}},
      [spec](Backend& backend, const Operands& in) {
        return conv3d(backend, spec, in[0], in[1], bias_of(in));
      }};
  if (bias) result.inputs.push_back({Shape::vector(to), Role::parameter});
  return result;
}

OpCase transpose(const Conv3dSpec& spec, const Shape& x, Index to, bool bias) {
  const Shape w{x.c, spec.kernel[0], spec.kernel[1], spec.kernel[2], to};
  OpCase result{
      "conv_transpose3d",
      text(x, " by ", w, " stride ", spec.stride[2], " padding ", spec.padding[2], bias ? " bias" : ""),
      {{x}, {w, Role::parameter}},
      [spec](Backend& backend, const Operands& in) {
        return conv_transpose3d(backend, spec, in[0], in[1], bias_of(in));
      }};
  if (bias) result.inputs.push_back({Shape::vector(to), Role::parameter});
  return result;
}

}  // namespace

std::vector<OpCase> conv_cases() {
  const Conv3dSpec same{}, down{{2, 2, 2}, {2, 2, 2}, {0, 0, 0}}, point{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}};
  const Conv3dSpec strided{{3, 3, 3}, {2, 2, 2}, {1, 1, 1}}, valid{{3, 3, 3}, {1, 1, 1}, {0, 0, 0}};
  const Conv3dSpec flat{{1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, flat_double{{1, 2, 2}, {1, 2, 2}, {0, 0, 0}};
  return {
      conv("conv3d", same, {2, 4, 5, 6, 3}, 4, kBias),
      conv("conv3d", same, {1, 5, 3, 4, 1}, 5, kBias),      // one input channel
      conv("conv3d", same, {1, 6, 6, 6, 16}, 16, kNoBias),  // whole vectors
      conv("conv3d", same, {1, 3, 5, 4, 17}, 9, kBias),     // not whole vectors
      conv("conv3d", same, {3, 1, 1, 1, 2}, 3, kBias),      // one voxel
      conv("conv3d", strided, {1, 5, 6, 7, 2}, 3, kNoBias),
      conv("conv3d", strided, {2, 1, 1, 1, 3}, 2, kBias),  // stride 2, output 1
      conv("conv3d", down, {3, 4, 6, 2, 3}, 5, kBias),
      conv("conv3d", down, {1, 2, 2, 2, 4}, 8, kNoBias),  // stride 2, output 1
      conv("conv3d", down, {1, 5, 7, 3, 2}, 2, kBias),    // a rest that no window reaches
      conv("conv3d", valid, {1, 3, 3, 3, 2}, 3, kBias),   // output 1
      conv("conv3d", {{5, 5, 5}, {1, 1, 1}, {2, 2, 2}}, {1, 6, 5, 7, 2}, 3, kBias),
      conv("conv3d", flat, {2, 1, 7, 5, 3}, 4, kBias),  // D = 1
      conv("conv3d", {{1, 3, 3}, {1, 2, 2}, {0, 1, 1}}, {2, 1, 6, 9, 8}, 8, kNoBias),
      conv("conv3d", {{3, 1, 5}, {1, 2, 1}, {1, 0, 2}}, {1, 4, 5, 6, 2}, 2, kBias),
      conv("conv3d", {{1, 2, 3}, {1, 2, 3}, {0, 0, 1}}, {1, 3, 6, 8, 2}, 1, kNoBias),
      conv("conv3d", {{3, 3, 3}, {1, 1, 1}, {2, 2, 2}}, {1, 2, 3, 2, 2}, 2, kBias),
      conv("conv3d", {{2, 2, 2}, {3, 3, 3}, {0, 0, 0}}, {1, 8, 7, 8, 2}, 3, kBias),  // gaps between windows
      conv("conv3d", {{1, 1, 1}, {2, 2, 2}, {0, 0, 0}}, {2, 3, 5, 4, 3}, 4, kBias),
      conv("conv3d", {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}, {1, 2, 3, 2, 3}, 2, kBias),

      conv("pointwise conv3d", point, {2, 3, 5, 4, 3}, 4, kBias),
      conv("pointwise conv3d", point, {1, 1, 1, 1, 1}, 1, kBias),
      conv("pointwise conv3d", point, {1, 4, 4, 4, 16}, 2, kBias),
      conv("pointwise conv3d", point, {2, 1, 7, 5, 8}, 16, kNoBias),
      conv("pointwise conv3d", point, {3, 2, 2, 3, 1}, 7, kBias),
      conv("pointwise conv3d", point, {1, 5, 3, 1, 17}, 1, kNoBias),
      conv("pointwise conv3d", point, {5, 1, 1, 1, 33}, 9, kBias),
      conv("pointwise conv3d", point, {1, 6, 5, 7, 2}, 3, kBias),

      transpose(down, {2, 2, 3, 4, 3}, 4, kBias),
      transpose(down, {1, 1, 1, 1, 2}, 3, kNoBias),
      transpose(down, {1, 3, 2, 3, 16}, 8, kBias),
      transpose(down, {3, 2, 1, 5, 1}, 5, kBias),  // one input channel
      transpose(down, {1, 2, 2, 1, 17}, 9, kBias),
      transpose(flat_double, {2, 1, 4, 3, 4}, 2, kBias),  // D = 1
      transpose(same, {1, 4, 3, 5, 3}, 2, kNoBias),
      transpose(strided, {1, 3, 2, 4, 2}, 3, kBias),
      transpose({{3, 1, 2}, {2, 1, 3}, {1, 0, 0}}, {1, 2, 3, 2, 2}, 2, kBias),  // gaps hold the bias alone
      transpose({{4, 4, 4}, {2, 2, 2}, {1, 1, 1}}, {1, 2, 3, 2, 2}, 2, kBias),
      transpose({{2, 2, 2}, {3, 3, 3}, {0, 0, 0}}, {1, 2, 1, 2, 3}, 2, kBias),
      transpose(point, {2, 2, 3, 2, 3}, 4, kBias),
  };
}

}  // namespace duet::testing
