// What kernels see of a tensor: a pointer, a shape and a type. Dense, channels last, not owning.
#pragma once

#include "engine/core/dtype.h"
#include "engine/core/errors.h"
#include "engine/core/shape.h"

namespace duet {

struct ConstView {
  const void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;
  std::uint64_t version =
      0;  // identity of the contents (0: not known), so that a backend may cache a packed copy

  explicit operator bool() const { return data != nullptr; }
  template <class T>
  const T* as() const {
    DUET_CHECK(dtype == dtype_of<T>(), "view of ", name_of(dtype), " read as ", name_of(dtype_of<T>()));
    return static_cast<const T*>(data);
  }
  // Samples [begin, end): still dense, as the batch is the slowest axis.
  ConstView samples(Index begin, Index end) const {
    Shape part = shape.with_batch(end - begin);
    const Index offset = begin * (shape.elements() / shape.n);
    return {static_cast<const char*>(data) + static_cast<std::size_t>(offset) * size_of(dtype), part, dtype,
            0};
  }
};

struct View {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::f32;

  operator ConstView() const { return {data, shape, dtype, 0}; }
  explicit operator bool() const { return data != nullptr; }
  template <class T>
  T* as() const {
    DUET_CHECK(dtype == dtype_of<T>(), "view of ", name_of(dtype), " written as ", name_of(dtype_of<T>()));
    return static_cast<T*>(data);
  }
  View samples(Index begin, Index end) const {
    Shape part = shape.with_batch(end - begin);
    const Index offset = begin * (shape.elements() / shape.n);
    return {static_cast<char*>(data) + static_cast<std::size_t>(offset) * size_of(dtype), part, dtype};
  }
};

}  // namespace duet
