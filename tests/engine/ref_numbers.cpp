// bf16's rounding and the reference's logarithm and exponential, over the values that floats take.
#include <bit>
#include <cmath>
#include <cstdint>
#include <doctest/doctest.h>
#include <limits>
#include <vector>

#include "engine/backend/ref/exponential.h"
#include "engine/core/bf16.h"
#include "engine/core/dtype.h"
#include "engine/core/philox.h"

namespace duet {
namespace {

float float_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// The nearest bf16 by distance in double, to even where two are as near; beyond the largest the step is that
// of the last binade, as IEEE 754 says of overflow.
std::uint16_t nearest(float value) {
  const auto low = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);  // towards zero
  const auto high = static_cast<std::uint16_t>(low + 1);
  const auto exact = [](std::uint16_t bits) {
    const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
    if ((bits & 0x7FFFu) == 0x7F80u) return (bits & 0x8000u ? -1.0 : 1.0) * std::ldexp(1.0, 128);
    return static_cast<double>(float_of(wide));
  };
  if (std::isinf(value)) return low;
  const double below = std::abs(static_cast<double>(value) - exact(low));
  const double above = std::abs(exact(high) - static_cast<double>(value));
  if (below != above) return below < above ? low : high;
  return low % 2 == 0 ? low : high;
}

std::vector<std::uint32_t> interesting_bits() {
  std::vector<std::uint32_t> bits;
  // Each bf16, then what lies around halfway to the next one.
  for (std::uint32_t upper = 0; upper < 65536; ++upper) {
    for (const std::uint32_t lower : {0x0000u, 0x0001u, 0x7FFFu, 0x8000u, 0x8001u, 0xFFFFu}) {
      bits.push_back(upper << 16 | lower);
    }
  }
  const PhiloxKey key{.seed = 9, .stream = Stream::test};
  for (std::uint64_t i = 0; i < 200000; ++i) bits.push_back(draw_bits(key, 0, i));
  return bits;
}

}  // namespace

TEST_CASE("bf16 rounds to nearest even: halfway cases, denormals, zeros, infinities, overflow") {
  std::size_t wrong = 0, numbers = 0;
  for (const std::uint32_t bits : interesting_bits()) {
    const float value = float_of(bits);
    if (std::isnan(value)) continue;
    ++numbers;
    const bool right = bf16(value).bits == nearest(value);
    if (!right && wrong++ < 5) FAIL_CHECK(bits, ": ", bf16(value).bits, " instead of ", nearest(value));
  }
  CHECK(wrong == 0);
  CHECK(numbers > 500000);
  CHECK(bf16(float_of(0x3F808000u)).bits == 0x3F80u);  // 1 + 1/256: halfway, down to even
  CHECK(bf16(float_of(0x3F818000u)).bits == 0x3F82u);  // halfway, up to even
  CHECK(bf16(std::numeric_limits<float>::max()).bits == 0x7F80u);
  CHECK(bf16(float_of(0x7F7F7FFFu)).bits == 0x7F7Fu);  // the last that does not overflow
  CHECK(bf16(float_of(0x00008000u)).bits == 0u);       // halfway to the least denormal
  CHECK(bf16(float_of(0x00008001u)).bits == 1u);
  CHECK(bf16(-0.0F).bits == 0x8000u);
}

TEST_CASE("bf16 keeps NaN a NaN, its sign and that it is quiet; every bf16 comes back from float") {
  for (const std::uint32_t bits :
       {0x7F800001u, 0x7F80FFFFu, 0x7FFFFFFFu, 0x7FC00000u, 0xFF800001u, 0xFFFFFFFFu}) {
    const bf16 stored(float_of(bits));
    CHECK(std::isnan(static_cast<float>(stored)));
    CHECK((stored.bits & 0x40u) != 0);
    CHECK((stored.bits >> 15) == (bits >> 31));
  }
  std::size_t lost = 0;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    bf16 value;
    value.bits = static_cast<std::uint16_t>(bits);
    const bool nan = (bits & 0x7FFFu) > 0x7F80u;
    lost += nan ? !std::isnan(static_cast<float>(value)) : bf16(static_cast<float>(value)).bits != bits;
  }
  CHECK(lost == 0);
  CHECK(size_of(DType::bf16) == sizeof(bf16));
  CHECK(master_type(DType::bf16) == DType::f32);
  CHECK(master_type(DType::f64) == DType::f64);
}

TEST_CASE("log_positive is std::log to 2e-7, absolute or relative, from 1e-30 to 1e30") {
  double worst = 0.0;
  const auto check = [&](float x) {
    const double expected = std::log(static_cast<double>(x));
    const double difference = std::abs(static_cast<double>(ref::log_positive(x)) - expected);
    worst = std::max(worst, difference / std::max(1.0, std::abs(expected)));
  };
  const auto first = std::bit_cast<std::uint32_t>(1e-30F), last = std::bit_cast<std::uint32_t>(1e30F);
  for (std::uint32_t bits = first; bits <= last; bits += 509) check(float_of(bits));
  // All around the ends of the series' interval, and around 1.
  for (const float centre : {0.70710678F, 1.41421356F, 1.0F, 2.0F, 0.5F}) {
    const auto middle = std::bit_cast<std::uint32_t>(centre);
    for (std::uint32_t bits = middle - 20000; bits <= middle + 20000; ++bits) check(float_of(bits));
  }
  INFO("worst ", worst);
  CHECK(worst <= 2e-7);
  CHECK(ref::log_positive(1.0F) == 0.0F);
  CHECK(ref::log_positive(2.5) == std::log(2.5));  // in double it is the library's
}

TEST_CASE("exp_nonpositive is std::exp to 2 ulp, and 0 where that is no longer normal") {
  double worst = 0.0;
  for (std::uint32_t bits = std::bit_cast<std::uint32_t>(1e-30F); float_of(bits) < 87.2F; bits += 257) {
    const float x = -float_of(bits);
    const double expected = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(ref::exp_nonpositive(x)) - expected) / expected);
  }
  INFO("worst ", worst);
  CHECK(worst <= 2.4e-7);
  CHECK(ref::exp_nonpositive(0.0F) == 1.0F);
  CHECK(ref::exp_nonpositive(-88.0F) == 0.0F);
  CHECK(ref::exp_nonpositive(-std::numeric_limits<float>::infinity()) == 0.0F);
  CHECK(std::isnan(ref::exp_nonpositive(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace duet
