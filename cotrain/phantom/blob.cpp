#include "cotrain/phantom/blob.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace duet {

PhantomDraws::PhantomDraws(std::uint64_t seed, std::uint32_t case_index, std::uint32_t layer) {
  key_.seed = seed;
  key_.stream = Stream::phantom;
  key_.layer = layer;
  key_.step = case_index;
}

// Samples 0 and 1 keep uniform and normal draws apart.
double PhantomDraws::uniform(double low, double high) {
  return low + (high - low) * static_cast<double>(draw_uniform(key_, 0, uniforms_++));
}
double PhantomDraws::normal() { return draw_normal(key_, 1, normals_++); }

double length_of(const Vec3& v) { return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]); }

double Waves::operator()(const Vec3& x) const {
  double sum = 0;
  for (int k = 0; k < kCount; ++k) {
    const Vec3& f = frequency[k];
    sum += amplitude[k] * std::sin(f[0] * x[0] + f[1] * x[1] + f[2] * x[2] + phase[k]);
  }
  return sum;
}

Waves draw_waves(PhantomDraws& draws, double low_frequency, double high_frequency, double amplitude) {
  Waves waves;
  for (int k = 0; k < Waves::kCount; ++k) {
    Vec3 direction{};
    for (double& v : direction) v = draws.normal();
    const double scale = draws.uniform(low_frequency, high_frequency) / (length_of(direction) + 1e-9);
    for (int axis = 0; axis < 3; ++axis) waves.frequency[k][axis] = direction[axis] * scale;
    waves.phase[k] = draws.uniform(0, 2 * std::numbers::pi);
    // Sines have variance 1/2: so the sum's standard deviation is about the amplitude.
    waves.amplitude[k] = amplitude * std::sqrt(2.0 / Waves::kCount) * draws.uniform(0.6, 1.4);
  }
  return waves;
}

Vec3 Blob::local(const Vec3& x) const {
  const Vec3 away = {x[0] - centre[0], x[1] - centre[1], x[2] - centre[2]};
  Vec3 q{};
  for (int i = 0; i < 3; ++i) {
    q[i] = (rotation[i][0] * away[0] + rotation[i][1] * away[1] + rotation[i][2] * away[2]) / radii[i];
  }
  return q;
}

double Blob::level(const Vec3& local) const {
  const double r = length_of(local);
  if (r > 2.0 || r < 0.4) return r;  // no deformation reaches that far
  return r / (1.0 + surface({local[0] / r, local[1] / r, local[2] / r}));
}

std::array<Reach, 3> reach_of(const Blob& blob) {
  constexpr int kDirections = 1500;
  std::array<Reach, 3> reach{};
  for (int k = 0; k < kDirections; ++k) {
    // Directions spread evenly: a spiral from pole to pole, turning by the golden angle.
    const double z = 1 - (2 * k + 1.0) / kDirections, ring = std::sqrt(1 - z * z);
    const double turn = k * std::numbers::pi * (3 - std::sqrt(5.0));
    const Vec3 u = {z, ring * std::cos(turn), ring * std::sin(turn)};
    const double stretch = 1 + blob.surface(u);
    for (int axis = 0; axis < 3; ++axis) {
      double x = 0;
      for (int i = 0; i < 3; ++i) x += blob.rotation[i][axis] * blob.radii[i] * u[i] * stretch;
      reach[axis].low = std::min(reach[axis].low, x);
      reach[axis].high = std::max(reach[axis].high, x);
    }
  }
  return reach;
}

std::array<Vec3, 3> draw_rotation(PhantomDraws& draws) {
  // A normalised quaternion of four normals is uniform over rotations.
  double w = draws.normal(), x = draws.normal(), y = draws.normal(), z = draws.normal();
  const double n = std::sqrt(w * w + x * x + y * y + z * z) + 1e-12;
  w /= n, x /= n, y /= n, z /= n;
  return {{{1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)},
           {2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)},
           {2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)}}};
}

}  // namespace duet
