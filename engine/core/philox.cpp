#include "engine/core/philox.h"

#include <cmath>
#include <numbers>

namespace duet {

double draw_normal(const PhiloxKey& key, std::uint32_t sample, std::uint64_t element) {
  // Two normals a block: elements 2k and 2k+1 share block k and take the cosine and the sine.
  const PhiloxBlock block = draw_block(key, sample, element >> 1);
  const std::uint64_t a = (std::uint64_t{block.v[0]} << 21) ^ (block.v[1] >> 11);  // 53 bits
  const std::uint64_t b = (std::uint64_t{block.v[2]} << 21) ^ (block.v[3] >> 11);
  const double u1 = (static_cast<double>(a) + 1.0) * 0x1p-53;  // in (0, 1]
  const double u2 = static_cast<double>(b) * 0x1p-53;
  const double radius = std::sqrt(-2.0 * std::log(u1));
  const double angle = 2.0 * std::numbers::pi * u2;
  return (element & 1) ? radius * std::sin(angle) : radius * std::cos(angle);
}

}  // namespace duet
