// The shapes a phantom is made of: ellipsoids, turned, with a smooth low-frequency deformation. Called by
// phantom.cpp only.
#pragma once

#include <array>
#include <cstdint>

#include "engine/core/philox.h"

namespace duet {

using Vec3 = std::array<double, 3>;  // along D, H, W

// Draws one after another from one counter stream; separate layers never share a draw.
class PhantomDraws {
 public:
  PhantomDraws(std::uint64_t seed, std::uint32_t case_index, std::uint32_t layer);
  double uniform(double low, double high);
  double normal();
  const PhiloxKey& key() const { return key_; }

 private:
  PhiloxKey key_;
  std::uint64_t uniforms_ = 0, normals_ = 0;
};

// A smooth function of direction or place: sum of amplitude sin(frequency . x + phase), |frequency| between
// two bounds.
struct Waves {
  static constexpr int kCount = 6;
  std::array<Vec3, kCount> frequency{};
  std::array<double, kCount> phase{}, amplitude{};
  double operator()(const Vec3& x) const;
};
Waves draw_waves(PhantomDraws& draws, double low_frequency, double high_frequency, double amplitude);

// The points x with |q(x)| < 1, q = rotation (x - centre) / radii / (1 + waves(direction of q)).
struct Blob {
  Vec3 centre{}, radii{};
  std::array<Vec3, 3> rotation{};  // rows
  Waves surface;

  // Place of x in the undeformed unit ball.
  Vec3 local(const Vec3& x) const;
  // About 1 on the surface, below inside. Exact near the surface; far from it only the side of 1 is right.
  double level(const Vec3& local) const;
};

// How far the blob reaches from its centre along D, H, W in mm, to about 2 %.
struct Reach {
  double low = 0, high = 0;
};
std::array<Reach, 3> reach_of(const Blob& blob);

// A random rotation, uniform over all.
std::array<Vec3, 3> draw_rotation(PhantomDraws& draws);

double length_of(const Vec3& v);

}  // namespace duet
