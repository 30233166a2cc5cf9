// The one shape of the engine: five sizes N D H W C, channels last. 2D is D = 1, a vector over channels is
// (1,1,1,1,C), a scalar is (1,1,1,1,1), convolution weights are (C_out, kD, kH, kW, C_in). Always dense, C
// fastest.
#pragma once

#include <array>
#include <cstdint>
#include <ostream>
#include <string>

namespace duet {

using Index = std::int64_t;

// Sizes or positions along D, H, W.
using Triple = std::array<Index, 3>;

struct Shape {
  Index n = 1, d = 1, h = 1, w = 1, c = 1;

  Index voxels() const { return d * h * w; }   // of one sample
  Index rows() const { return n * voxels(); }  // positions, each with c channels
  Index elements() const { return rows() * c; }
  Triple spatial() const { return {d, h, w}; }
  Shape with_channels(Index channels) const { return {n, d, h, w, channels}; }
  Shape with_batch(Index batch) const { return {batch, d, h, w, c}; }

  static Shape scalar() { return {}; }
  static Shape vector(Index channels) { return {1, 1, 1, 1, channels}; }

  friend bool operator==(const Shape&, const Shape&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Shape& s) {
    return out << '(' << s.n << ',' << s.d << ',' << s.h << ',' << s.w << ',' << s.c << ')';
  }
};

// Elements of a shape from untrusted input; throws EngineError when a size is below 1 or the product exceeds
// 2^48.
Index checked_elements(const Shape& shape);

}  // namespace duet
