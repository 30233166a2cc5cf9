#include "engine/core/errors.h"
#include "engine/kernels/convolution.h"
#include "engine/kernels/loss.h"
#include "engine/kernels/norm.h"
#include "engine/kernels/region.h"

namespace duet {
namespace {

Index window_count(const char* op, Index size, Index kernel, Index stride, Index padding, const Shape& x) {
  DUET_CHECK(kernel >= 1 && stride >= 1 && padding >= 0, op, ": kernel ", kernel, ", stride ", stride,
             ", padding ", padding);
  DUET_CHECK(size + 2 * padding >= kernel, op, ": kernel ", kernel, " with padding ", padding,
             " does not fit input ", x);
  return (size + 2 * padding - kernel) / stride + 1;
}

void check_kernel(const char* op, const Conv3dSpec& spec, const Shape& w) {
  DUET_CHECK((w.spatial() == spec.kernel), op, ": weights ", w, " do not have the kernel ", spec.kernel[0],
             "x", spec.kernel[1], "x", spec.kernel[2]);
}

}  // namespace

Shape conv3d_output_shape(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  check_kernel("conv3d", spec, w);
  DUET_CHECK(x.c == w.c, "conv3d: weights ", w, " expect ", w.c, " input channels, got ", x.c);
  auto out = [&](int axis, Index size) {
    return window_count("conv3d", size, spec.kernel[axis], spec.stride[axis], spec.padding[axis], x);
  };
  return {x.n, out(0, x.d), out(1, x.h), out(2, x.w), w.n};
}

Shape conv_transpose3d_output_shape(const Conv3dSpec& spec, const Shape& x, const Shape& w) {
  check_kernel("conv_transpose3d", spec, w);
  DUET_CHECK(x.c == w.n, "conv_transpose3d: weights ", w, " expect ", w.n, " input channels, got ", x.c);
  auto out = [&](int axis, Index size) {
    const Index result = (size - 1) * spec.stride[axis] - 2 * spec.padding[axis] + spec.kernel[axis];
    DUET_CHECK(result >= 1 && spec.stride[axis] >= 1 && spec.padding[axis] >= 0, "conv_transpose3d: input ",
               x, " gives no output");
    return result;
  };
  return {x.n, out(0, x.d), out(1, x.h), out(2, x.w), w.c};
}

Shape norm_statistics_shape(const NormSpec& spec, const Shape& x) {
  if (spec.fixed_statistics) {
    DUET_CHECK(spec.kind == NormKind::batch, "norm: fixed statistics belong to batch norm");
    return {1, 1, 1, 1, x.c};
  }
  switch (spec.kind) {
    case NormKind::batch:
      DUET_CHECK(spec.folds >= 1 && x.n % spec.folds == 0, "batch_norm: ", x.n,
                 " samples do not divide into ", spec.folds, " folds");
      return {spec.folds, 1, 1, 1, x.c};
    case NormKind::instance:
      return {x.n, 1, 1, 1, x.c};
    case NormKind::group:
      DUET_CHECK(spec.groups >= 1 && x.c % spec.groups == 0, "group_norm: ", x.c,
                 " channels do not divide into ", spec.groups, " groups");
      return {x.n, 1, 1, 1, spec.groups};
  }
  return {};
}

Shape pool_output_shape(const PoolSpec& spec, const Shape& x) {
  auto out = [&](int axis, Index size) {
    DUET_CHECK(spec.padding[axis] < spec.kernel[axis], "pool: padding ", spec.padding[axis],
               " is not below kernel ", spec.kernel[axis]);
    return window_count("pool", size, spec.kernel[axis], spec.stride[axis], spec.padding[axis], x);
  };
  return {x.n, out(0, x.d), out(1, x.h), out(2, x.w), x.c};
}

Shape reduced_shape(const Reduction& axes, const Shape& x) {
  Shape y = x;
  if (axes.n) y.n = 1;
  if (axes.space) y.d = y.h = y.w = 1;
  if (axes.c) y.c = 1;
  return y;
}

}  // namespace duet
