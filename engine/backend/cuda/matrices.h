// Dense views as matrices for Driver::gemm: places inside them and their bytes.
#pragma once

#include <cstddef>

#include "engine/tensor/view.h"

namespace duet::cuda {

inline std::size_t bytes_of(const Shape& shape, DType type) {
  return static_cast<std::size_t>(shape.elements()) * size_of(type);
}

// The address of an element.
inline const void* place(const ConstView& view, Index element) {
  return static_cast<const char*>(view.data) + element * static_cast<Index>(size_of(view.dtype));
}
inline void* place(const View& view, Index element) {
  return static_cast<char*>(view.data) + element * static_cast<Index>(size_of(view.dtype));
}

}  // namespace duet::cuda
