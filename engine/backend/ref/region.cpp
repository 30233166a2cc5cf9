// Copying boxes, and the class that joins the kernels of pool.cpp and upsample.cpp to it.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "engine/backend/ref/ref.h"
#include "engine/backend/ref/region_parts.h"
#include "engine/core/parallel.h"
#include "engine/kernels/dispatch.h"

namespace duet::ref {
namespace {

constexpr Index kGrain = Index{1} << 14;  // elements of a chunk

using Sizes = std::array<Index, 5>;

Sizes sizes_of(const Shape& s) { return {s.n, s.d, s.h, s.w, s.c}; }

Sizes strides_of(const Shape& s) { return {s.voxels() * s.c, s.h * s.w * s.c, s.w * s.c, s.c, 1}; }

// A box as runs that are contiguous in both tensors: axis 4 is one run, axes 0 to 3 say where each run
// begins.
struct Runs {
  Sizes size{1, 1, 1, 1, 1}, x_stride{}, y_stride{};
  Index x_start = 0, y_start = 0;

  Index count() const { return size[0] * size[1] * size[2] * size[3]; }
};

// Joins axes as long as the box spans them in both tensors, so whole samples become a single run.
Runs runs_of(const Shape& x, const Offset5& x_offset, const Shape& y, const Offset5& y_offset,
             const Shape& extent) {
  const Sizes xs = strides_of(x), ys = strides_of(y), box = sizes_of(extent);
  Runs runs;
  std::size_t at = 4;  // the axis of runs that is being filled, from the last on
  runs.size[4] = box[4];
  runs.x_stride[4] = runs.y_stride[4] = 1;
  for (std::size_t axis = 4; axis-- > 0;) {
    if (box[axis] == 1) continue;
    const bool joins =
        xs[axis] == runs.size[at] * runs.x_stride[at] && ys[axis] == runs.size[at] * runs.y_stride[at];
    if (joins) {
      runs.size[at] *= box[axis];
    } else {
      --at;
      runs.size[at] = box[axis];
      runs.x_stride[at] = xs[axis];
      runs.y_stride[at] = ys[axis];
    }
  }
  for (std::size_t axis = 0; axis < 5; ++axis) {
    runs.x_start += x_offset[axis] * xs[axis];
    runs.y_start += y_offset[axis] * ys[axis];
  }
  return runs;
}

// Calls body(x element, y element, count) for runs in [begin, end): `count` of them at a time, which lie
// along axis 3, x_stride[3] and y_stride[3] apart.
template <class Body>
void for_runs(const Runs& runs, Index begin, Index end, const Body& body) {
  Sizes at{};
  Index rest = begin, x = runs.x_start, y = runs.y_start;
  for (std::size_t axis = 4; axis-- > 0;) {
    at[axis] = rest % runs.size[axis];
    rest /= runs.size[axis];
    x += at[axis] * runs.x_stride[axis];
    y += at[axis] * runs.y_stride[axis];
  }
  for (Index run = begin; run < end;) {
    const Index count = std::min(end - run, runs.size[3] - at[3]);
    body(x, y, count);
    run += count;
    x -= at[3] * runs.x_stride[3];
    y -= at[3] * runs.y_stride[3];
    at[3] = 0;
    for (std::size_t axis = 3; axis-- > 0;) {  // to the next row of runs, like an odometer
      x += runs.x_stride[axis];
      y += runs.y_stride[axis];
      if (++at[axis] < runs.size[axis]) break;
      x -= runs.size[axis] * runs.x_stride[axis];
      y -= runs.size[axis] * runs.y_stride[axis];
      at[axis] = 0;
    }
  }
}

// f(bytes of an element) as a constant, and f(length) with those of few channels as constants: short runs are
// moved by a few instructions then instead of by a loop each.
template <class F>
void with_element_size(std::size_t bytes, const F& f) {
  switch (bytes) {
    case 1:
      return f(std::integral_constant<std::size_t, 1>{});
    case 2:
      return f(std::integral_constant<std::size_t, 2>{});
    case 4:
      return f(std::integral_constant<std::size_t, 4>{});
    default:
      return f(std::integral_constant<std::size_t, 8>{});
  }
}
template <class F>
void with_length(Index length, const F& f) {
  switch (length) {
    case 8:
      return f(std::integral_constant<Index, 8>{});
    case 16:
      return f(std::integral_constant<Index, 16>{});
    case 32:
      return f(std::integral_constant<Index, 32>{});
    default:
      return f(length);
  }
}

// Calls move(x element, y element, count) over the box in parallel; few long runs are cut, many short ones
// are grouped.
template <class Move>
void move_box(const Runs& runs, const Move& move) {
  const Index length = runs.size[4];
  if (length >= kGrain) {
    const Index pieces = (length + kGrain - 1) / kGrain;
    parallel_chunks(runs.count() * pieces, 1, [&](Index begin, Index) {
      const Index from = begin % pieces * kGrain, count = std::min(kGrain, length - from);
      for_runs(runs, begin / pieces, begin / pieces + 1,
               [&](Index x, Index y, Index) { move(x + from, y + from, count); });
    });
    return;
  }
  with_length(length, [&](auto known) {
    parallel_chunks(runs.count(), std::max<Index>(1, kGrain / length), [&](Index begin, Index end) {
      for_runs(runs, begin, end, [&](Index x, Index y, Index count) {
        for (Index i = 0; i < count; ++i) move(x + i * runs.x_stride[3], y + i * runs.y_stride[3], known);
      });
    });
  });
}

void check_box(const char* side, const Shape& shape, const Offset5& offset, const Shape& extent) {
  const Sizes size = sizes_of(shape), box = sizes_of(extent);
  for (std::size_t i = 0; i < 5; ++i) {
    DUET_CHECK(offset[i] >= 0 && box[i] >= 1 && box[i] <= size[i] - offset[i], "copy_region: box ", extent,
               " at (", offset[0], ",", offset[1], ",", offset[2], ",", offset[3], ",", offset[4],
               ") is not inside ", side, " ", shape);
  }
}

class RefRegion final : public RegionKernels {
 public:
  void copy_region(ConstView x, const Offset5& x_offset, View y, const Offset5& y_offset, const Shape& extent,
                   Accum accum) override {
    check_box("x", x.shape, x_offset, extent);
    check_box("y", y.shape, y_offset, extent);
    DUET_CHECK(x.dtype == y.dtype, "copy_region: ", name_of(x.dtype), " onto ", name_of(y.dtype));
    const Runs runs = runs_of(x.shape, x_offset, y.shape, y_offset, extent);
    if (accum == Accum::add) {
      with_storage("copy_region +=", x.dtype, [&](auto type) {
        using T = decltype(type);
        const T* in = x.as<T>();
        T* out = y.as<T>();
        move_box(runs, [=](Index from, Index to, auto count) {
#pragma omp simd
          for (Index i = 0; i < count; ++i) put<true>(out[to + i], Compute<T>(in[from + i]));
        });
      });
      return;
    }
    with_element_size(size_of(x.dtype), [&](auto bytes) {
      const char* in = static_cast<const char*>(x.data);
      char* out = static_cast<char*>(y.data);
      move_box(runs, [=](Index from, Index to, auto count) {
        std::memcpy(out + static_cast<std::size_t>(to) * bytes, in + static_cast<std::size_t>(from) * bytes,
                    static_cast<std::size_t>(count) * bytes);
      });
    });
  }

  void max_pool_forward(const PoolSpec& spec, ConstView x, View y, View where) override {
    ref::max_pool_forward(spec, x, y, where);
  }
  void max_pool_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) override {
    ref::max_pool_backward(spec, dy, where, dx, accum);
  }
  void average_pool_forward(const PoolSpec& spec, ConstView x, View y) override {
    ref::average_pool_forward(spec, x, y);
  }
  void average_pool_backward(const PoolSpec& spec, ConstView dy, View dx, Accum accum) override {
    ref::average_pool_backward(spec, dy, dx, accum);
  }
  void upsample_forward(UpsampleKind kind, const Triple& factor, ConstView x, View y) override {
    ref::upsample_forward(kind, factor, x, y);
  }
  void upsample_backward(UpsampleKind kind, const Triple& factor, ConstView dy, View dx,
                         Accum accum) override {
    ref::upsample_backward(kind, factor, dy, dx, accum);
  }
};

}  // namespace
}  // namespace duet::ref

namespace duet {

std::unique_ptr<RegionKernels> make_ref_region() { return std::make_unique<ref::RefRegion>(); }

}  // namespace duet
