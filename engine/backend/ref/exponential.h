// exp for the loops over class scores: std::exp of a float is a call, which keeps a loop from being
// vectorised.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace duet::ref {

// exp(x) for x <= 0 to about 1e-7 relative (2 ulp); below -87.3, where exp(x) is no longer normal, 0. NaN
// stays NaN. x = n ln 2 + r with |r| <= ln(2) / 2: exp(x) = 2^n exp(r), exp(r) by its Taylor series, 2^n by
// its bits.
inline float exp_nonpositive(float x) {
  constexpr float kLowest = -87.3f;
  constexpr float kLog2e = 1.44269504f;
  constexpr float kLn2High = 0.693145752f,
                  kLn2Low = 1.42860677e-6f;  // the first has few bits: n times it is exact
  constexpr float kRound = 12582912.0f;      // 1.5 2^23: adding it rounds to an integer, held in the low bits
  const float clamped = x < kLowest ? kLowest : x;
  const float shifted = clamped * kLog2e + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * kLn2High) - n * kLn2Low;
  float series = 1.0f / 5040;
  series = series * r + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r + 1.0f;
  series = series * r + 1.0f;
  const float power = std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3F800000u);
  return x < kLowest ? 0.0f : series * power;
}

inline double exp_nonpositive(double x) { return std::exp(x); }

// ln(x) for a normal x > 0, to about 2e-7 absolute or relative. x = 2^n m, m in [sqrt(1/2), sqrt(2)):
// ln m = 2 artanh(t), t = (m - 1) / (m + 1), by its Taylor series.
inline float log_positive(float x) {
  constexpr float kLn2 = 0.693147181f;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t shifted = bits - 0x3F3504F3u;  // sqrt(1/2): its exponent field counts from there
  const float n = static_cast<float>(static_cast<std::int32_t>(shifted) >> 23);
  const float m = std::bit_cast<float>((shifted & 0x007FFFFFu) + 0x3F3504F3u);
  const float t = (m - 1.0f) / (m + 1.0f), square = t * t;
  float series = 2.0f / 9;
  series = series * square + 2.0f / 7;
  series = series * square + 2.0f / 5;
  series = series * square + 2.0f / 3;
  series = series * square + 2.0f;
  return n * kLn2 + t * series;
}

inline double log_positive(double x) { return std::log(x); }

}  // namespace duet::ref
