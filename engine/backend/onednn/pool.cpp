#include "engine/backend/onednn/pool.h"

#include <vector>

#include "engine/backend/onednn/types.h"
#include "engine/backend/onednn/vectors.h"
#include "engine/core/parallel.h"

namespace duet::onednn {
namespace {

constexpr Index kLeastLanes = 8;

// 32 bits a lane, as comparisons of V give.
template <class V>
using Integers = decltype(V{} > V{});

template <class V>
Integers<V> load_positions(const std::int32_t* from) {
  Integers<V> value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Elements of x from a window's first voxel to each of its voxels, in the order of positions.
std::vector<Index> window_offsets(const PoolSpec& spec, const Shape& x) {
  std::vector<Index> offsets;
  for (Index d = 0; d < spec.kernel[0]; ++d) {
    for (Index h = 0; h < spec.kernel[1]; ++h) {
      for (Index w = 0; w < spec.kernel[2]; ++w) offsets.push_back(((d * x.h + h) * x.w + w) * x.c);
    }
  }
  return offsets;
}

// body(first element of a window in x, element of y) for each window, in parallel over lines of y.
template <class Body>
void for_windows(const PoolSpec& spec, const Shape& x, const Shape& y, const Body& body) {
  parallel_for(y.n * y.d * y.h, [&](Index line) {
    const Index h = line % y.h, d = line / y.h % y.d, n = line / (y.h * y.d);
    Index from = ((n * x.d + d * spec.kernel[0]) * x.h + h * spec.kernel[1]) * x.w * x.c;
    for (Index w = 0; w < y.w; ++w, from += spec.kernel[2] * x.c) body(from, (line * y.w + w) * y.c);
  });
}

// A NaN wins over numbers; the first of equals stays.
template <class V, class T>
void maxima(const PoolSpec& spec, ConstView x, View y, View where) {
  const std::vector<Index> offsets = window_offsets(spec, x.shape);
  const T* in = x.as<T>();
  T* out = y.as<T>();
  auto* position = where.as<std::int32_t>();
  for_windows(spec, x.shape, y.shape, [&](Index from, Index to) {
    for (Index c = 0; c < x.shape.c; c += kLanesOf<V>) {
      V best = load_as<V>(in + from + c);
      Integers<V> at{};
      for (std::size_t k = 1; k < offsets.size(); ++k) {
        const V value = load_as<V>(in + from + offsets[k] + c);
        const auto better = (value > best) | ((value != value) & (best == best));
        best = better ? value : best;
        at = better ? at - at + static_cast<std::int32_t>(k) : at;
      }
      store(out + to + c, best);
      std::memcpy(position + to + c, &at, sizeof at);
    }
  });
}

// Each voxel of dx is in one window: it gets dy where it was the maximum.
template <class V, class T>
void maxima_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) {
  const std::vector<Index> offsets = window_offsets(spec, dx.shape);
  const T* in = dy.as<T>();
  const auto* position = where.as<std::int32_t>();
  T* out = dx.as<T>();
  const bool adds = accum == Accum::add;
  for_windows(spec, dx.shape, dy.shape, [&](Index to, Index from) {
    for (Index c = 0; c < dx.shape.c; c += kLanesOf<V>) {
      const V gradient = load_as<V>(in + from + c);
      const Integers<V> at = load_positions<V>(position + from + c);
      for (std::size_t k = 0; k < offsets.size(); ++k) {
        T* each = out + to + offsets[k] + c;
        const V here = at == static_cast<std::int32_t>(k) ? gradient : V{};
        store(each, adds ? load_as<V>(each) + here : here);
      }
    }
  });
}

// f(vector, type): the widest vectors that divide the channels.
template <class F>
void with_vectors(Index channels, DType type, const F& f) {
  with_float_or_bf16("max_pool", type, [&](auto value) {
    if (channels % kVector == 0) return f(Floats{}, value);
    f(Eight{}, value);
  });
}

class Region final : public RegionKernels {
 public:
  explicit Region(std::unique_ptr<RegionKernels> reference) : reference_(std::move(reference)) {}

  void max_pool_forward(const PoolSpec& spec, ConstView x, View y, View where) override {
    if (!fits_pool(spec, x.shape, x.dtype)) return reference_->max_pool_forward(spec, x, y, where);
    check(spec, x.shape, y.shape, where.shape);
    with_vectors(x.shape.c, x.dtype, [&](auto vector, auto type) {
      maxima<decltype(vector), decltype(type)>(spec, x, y, where);
    });
  }
  void max_pool_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) override {
    if (!fits_pool(spec, dx.shape, dx.dtype))
      return reference_->max_pool_backward(spec, dy, where, dx, accum);
    check(spec, dx.shape, dy.shape, where.shape);
    with_vectors(dx.shape.c, dx.dtype, [&](auto vector, auto type) {
      maxima_backward<decltype(vector), decltype(type)>(spec, dy, where, dx, accum);
    });
  }

  void copy_region(ConstView x, const Offset5& x_offset, View y, const Offset5& y_offset, const Shape& extent,
                   Accum accum) override {
    reference_->copy_region(x, x_offset, y, y_offset, extent, accum);
  }
  void average_pool_forward(const PoolSpec& spec, ConstView x, View y) override {
    reference_->average_pool_forward(spec, x, y);
  }
  void average_pool_backward(const PoolSpec& spec, ConstView dy, View dx, Accum accum) override {
    reference_->average_pool_backward(spec, dy, dx, accum);
  }
  void upsample_forward(UpsampleKind kind, const Triple& factor, ConstView x, View y) override {
    reference_->upsample_forward(kind, factor, x, y);
  }
  void upsample_backward(UpsampleKind kind, const Triple& factor, ConstView dy, View dx,
                         Accum accum) override {
    reference_->upsample_backward(kind, factor, dy, dx, accum);
  }

 private:
  static void check(const PoolSpec& spec, const Shape& x, const Shape& y, const Shape& where) {
    const Shape expected = pool_output_shape(spec, x);
    DUET_CHECK(y == expected && where == expected, "max_pool: output ", y, " and positions ", where,
               " of input ", x, " should be ", expected);
  }

  std::unique_ptr<RegionKernels> reference_;
};

}  // namespace

bool fits_pool(const PoolSpec& spec, const Shape& x, DType type) {
  const Triple size = x.spatial();
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (spec.padding[axis] != 0 || spec.stride[axis] != spec.kernel[axis]) return false;
    if (size[axis] % spec.kernel[axis] != 0) return false;
  }
  return x.c % kLeastLanes == 0 && (type == DType::f32 || type == DType::bf16);
}

std::unique_ptr<RegionKernels> make_region(std::unique_ptr<RegionKernels> reference) {
  return std::make_unique<Region>(std::move(reference));
}

}  // namespace duet::onednn
