#include "engine/core/shape.h"

#include "engine/core/errors.h"

namespace duet {

Index checked_elements(const Shape& shape) {
  constexpr Index kLimit = Index{1} << 48;
  Index product = 1;
  for (Index size : {shape.n, shape.d, shape.h, shape.w, shape.c}) {
    DUET_CHECK(size >= 1, "shape ", shape, ": every size must be at least 1");
    DUET_CHECK(size <= kLimit / product, "shape ", shape, ": more than 2^48 elements");
    product *= size;
  }
  return product;
}

}  // namespace duet
