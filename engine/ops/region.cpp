#include "engine/ops/region.h"

#include "engine/autograd/backward.h"

namespace duet {
namespace {

std::array<Index, 5> sizes_of(const Shape& s) { return {s.n, s.d, s.h, s.w, s.c}; }
Shape shape_of(const std::array<Index, 5>& s) { return {s[0], s[1], s[2], s[3], s[4]}; }

// Puts dy into the box at `offset` of dx; what is outside the box gets zeros when written.
void region_gradient(Backend& backend, const Tensor& dy, const Offset5& offset, View dx, Accum accum) {
  if (accum == Accum::write) backend.pointwise->fill(dx, 0.0);
  backend.region->copy_region(dy.cview(), {}, dx, offset, dy.shape(), accum);
}

}  // namespace

Var slice(Backend& backend, const Var& x, const Offset5& offset, const Shape& extent) {
  const auto size = sizes_of(x.shape()), want = sizes_of(extent);
  for (std::size_t i = 0; i < 5; ++i) {
    DUET_CHECK(offset[i] >= 0 && want[i] >= 1 && offset[i] + want[i] <= size[i], "slice: box ", extent,
               " at (", offset[0], ",", offset[1], ",", offset[2], ",", offset[3], ",", offset[4],
               ") is not inside ", x.shape());
  }
  Tensor y = backend.empty(extent, x.dtype(), "slice");
  backend.region->copy_region(x.view(), offset, y.view(), {}, extent, Accum::write);
  return record("slice", y, {x}, [&backend, offset](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(0, [&](View dx, Accum accum) { region_gradient(backend, dy, offset, dx, accum); });
  });
}

Var samples(Backend& backend, const Var& x, Index begin, Index end) {
  return record("samples", x.value().samples(begin, end), {x},
                [&backend, begin](const Tensor& dy, NodeGradients& gradients) {
                  gradients.into(0, [&](View dx, Accum accum) {
                    region_gradient(backend, dy, {begin, 0, 0, 0, 0}, dx, accum);
                  });
                });
}

Var concat(Backend& backend, Axis axis, std::span<const Var> parts) {
  DUET_CHECK(!parts.empty(), "concat: nothing to concatenate");
  const auto at = static_cast<std::size_t>(axis);
  auto total = sizes_of(parts[0].shape());
  total[at] = 0;
  for (const Var& part : parts) {
    auto size = sizes_of(part.shape());
    const Index along = size[at];
    size[at] = total[at];
    DUET_CHECK(size == total && part.dtype() == parts[0].dtype(), "concat: part ", part.shape(),
               " does not fit ", parts[0].shape());
    total[at] += along;
  }
  Tensor y = backend.empty(shape_of(total), parts[0].dtype(), "concat");
  std::vector<Offset5> offsets;
  Offset5 offset{};
  for (const Var& part : parts) {
    offsets.push_back(offset);
    const Tensor value = part.saved().get();
    backend.region->copy_region(value.cview(), {}, y.view(), offset, part.shape(), Accum::write);
    offset[at] += sizes_of(part.shape())[at];
  }
  std::vector<Shape> extents;
  for (const Var& part : parts) extents.push_back(part.shape());
  return record("concat", y, std::vector<Var>(parts.begin(), parts.end()),
                [&backend, offsets, extents](const Tensor& dy, NodeGradients& gradients) {
                  for (std::size_t i = 0; i < offsets.size(); ++i) {
                    gradients.into(i, [&](View dx, Accum accum) {
                      backend.region->copy_region(dy.cview(), offsets[i], dx, {}, extents[i], accum);
                    });
                  }
                });
}

Var pad(Backend& backend, const Var& x, const Offset5& before, const Offset5& after, double value) {
  auto size = sizes_of(x.shape());
  for (std::size_t i = 0; i < 5; ++i) {
    DUET_CHECK(before[i] >= 0 && after[i] >= 0, "pad: sizes should not be negative");
    size[i] += before[i] + after[i];
  }
  Tensor y = backend.filled(shape_of(size), x.dtype(), value, "pad");
  backend.region->copy_region(x.view(), {}, y.view(), before, x.shape(), Accum::write);
  return record("pad", y, {x},
                [&backend, before, extent = x.shape()](const Tensor& dy, NodeGradients& gradients) {
                  gradients.into(0, [&](View dx, Accum accum) {
                    backend.region->copy_region(dy.cview(), before, dx, {}, extent, accum);
                  });
                });
}

Var repeat_batch(Backend& backend, const Var& x, Index times) {
  DUET_CHECK(times >= 1, "repeat_batch: times ", times);
  const Index n = x.shape().n;
  Tensor y = backend.empty(x.shape().with_batch(n * times), x.dtype(), "repeat_batch");
  for (Index k = 0; k < times; ++k) {
    backend.region->copy_region(x.view(), {}, y.view(), {k * n, 0, 0, 0, 0}, x.shape(), Accum::write);
  }
  return record("repeat_batch", y, {x},
                [&backend, times, extent = x.shape()](const Tensor& dy, NodeGradients& gradients) {
                  gradients.into(0, [&](View dx, Accum accum) {
                    for (Index k = 0; k < times; ++k) {
                      backend.region->copy_region(dy.cview(), {k * extent.n, 0, 0, 0, 0}, dx, {}, extent,
                                                  k == 0 ? accum : Accum::add);
                    }
                  });
                });
}

Var max_pool(Backend& backend, const PoolSpec& spec, const Var& x) {
  const Shape shape = pool_output_shape(spec, x.shape());
  Tensor y = backend.empty(shape, x.dtype(), "max_pool");
  Tensor where = backend.empty(shape, DType::i32, "max_pool");
  backend.region->max_pool_forward(spec, x.view(), y.view(), where.view());
  return record("max_pool", y, {x}, [&backend, spec, where](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(0, [&](View dx, Accum accum) {
      backend.region->max_pool_backward(spec, dy.cview(), where.cview(), dx, accum);
    });
  });
}

Var average_pool(Backend& backend, const PoolSpec& spec, const Var& x) {
  Tensor y = backend.empty(pool_output_shape(spec, x.shape()), x.dtype(), "average_pool");
  backend.region->average_pool_forward(spec, x.view(), y.view());
  return record("average_pool", y, {x}, [&backend, spec](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(
        0, [&](View dx, Accum accum) { backend.region->average_pool_backward(spec, dy.cview(), dx, accum); });
  });
}

Var upsample(Backend& backend, UpsampleKind kind, const Triple& factor, const Var& x) {
  for (Index f : factor) DUET_CHECK(f >= 1, "upsample: factor ", f, " should be at least 1");
  const Shape& s = x.shape();
  Tensor y =
      backend.empty({s.n, s.d * factor[0], s.h * factor[1], s.w * factor[2], s.c}, x.dtype(), "upsample");
  backend.region->upsample_forward(kind, factor, x.view(), y.view());
  return record("upsample", y, {x}, [&backend, kind, factor](const Tensor& dy, NodeGradients& gradients) {
    gradients.into(0, [&](View dx, Accum accum) {
      backend.region->upsample_backward(kind, factor, dy.cview(), dx, accum);
    });
  });
}

}  // namespace duet
