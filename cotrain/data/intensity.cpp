#include "cotrain/data/intensity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace duet {
namespace {

// Half of a Gaussian out to three standard deviations, its middle first. Not normalised: the mean is.
std::vector<float> gaussian(double deviation) {
  std::vector<float> weights;
  const auto radius = static_cast<Index>(std::ceil(3 * deviation));
  for (Index i = 0; i <= radius; ++i) {
    const double x = static_cast<double>(i) / deviation;
    weights.push_back(static_cast<float>(std::exp(-0.5 * x * x)));
  }
  return weights;
}

// Sums `values` (outer, length, inner) along the middle with the weights, 0 beyond the ends.
void convolve(const std::vector<float>& weights, Index outer, Index length, Index inner,
              std::vector<float>& values, std::vector<float>& scratch) {
  const auto radius = static_cast<Index>(weights.size()) - 1;
  for (Index o = 0; o < outer; ++o) {
    const float* from = values.data() + o * length * inner;
    float* to = scratch.data() + o * length * inner;
    // Of each tap the range that it reaches is one run, whatever `inner` is; so rows as short as one voxel
    // are summed by whole registers, too.
    std::fill(to, to + length * inner, 0.0f);
    for (Index tap = -radius; tap <= radius; ++tap) {
      const float weight = weights[static_cast<std::size_t>(std::abs(tap))];
      const Index begin = std::max<Index>(0, -tap) * inner, end = std::min(length, length - tap) * inner;
      for (Index i = begin; i < end; ++i) to[i] += weight * from[i + tap * inner];
    }
  }
  values.swap(scratch);
}

// Two independent normals of two words, in float: a sixth of draw_normal's time.
void two_normals(std::uint32_t a, std::uint32_t b, float* out) {
  const float u = (static_cast<float>(a >> 8) + 0.5f) * 0x1p-24f;  // in (0, 1)
  const float angle = static_cast<float>(b >> 8) * (0x1p-24f * 2 * std::numbers::pi_v<float>);
  const float radius = std::sqrt(-2 * std::log(u));
  out[0] = radius * std::cos(angle);
  out[1] = radius * std::sin(angle);
}

}  // namespace

Intensity draw_intensity(const AugmentConfig& config, std::uint64_t seed, std::uint32_t step,
                         std::uint32_t sample) {
  const PhiloxKey key{seed, Stream::appearance, 0, 0, step, 0};
  Intensity intensity;
  intensity.blur = config.blur * draw_uniform(key, sample, 0);
  intensity.gamma = std::exp(config.gamma * (2.0 * draw_uniform(key, sample, 1) - 1.0));
  intensity.noise = config.noise;
  intensity.key = {seed, Stream::appearance, 0, 1, step, 0};
  intensity.sample = sample;
  return intensity;
}

void blur_patch(double deviation, const Triple& patch, const float* valid, float* image) {
  const std::vector<float> weights = gaussian(deviation);
  const Index count = patch[0] * patch[1] * patch[2];
  std::vector<float> sum(image, image + count), weight(valid, valid + count), scratch(sum.size());
  for (std::vector<float>* each : {&sum, &weight}) {
    convolve(weights, 1, patch[0], patch[1] * patch[2], *each, scratch);
    convolve(weights, patch[0], patch[1], patch[2], *each, scratch);
    convolve(weights, patch[0] * patch[1], patch[2], 1, *each, scratch);
  }
  for (Index i = 0; i < count; ++i) {
    const auto v = static_cast<std::size_t>(i);
    image[i] = valid[i] > 0 ? sum[v] / weight[v] : 0.0f;
  }
}

void apply_gamma(double gamma, Index count, const float* valid, float* image) {
  float least = std::numeric_limits<float>::max(), greatest = std::numeric_limits<float>::lowest();
  for (Index i = 0; i < count; ++i) {
    if (valid[i] == 0) continue;
    least = std::min(least, image[i]);
    greatest = std::max(greatest, image[i]);
  }
  if (least >= greatest) return;  // one value, or none
  const float range = greatest - least, exponent = static_cast<float>(gamma);
  for (Index i = 0; i < count; ++i) {
    if (valid[i] > 0) image[i] = least + range * std::pow((image[i] - least) / range, exponent);
  }
}

void add_noise(double deviation, const PhiloxKey& key, std::uint32_t sample, Index count, const float* valid,
               float* image) {
  const auto scale = static_cast<float>(deviation);
  for (Index i = 0; i < count; i += 4) {
    const PhiloxBlock block = draw_block(key, sample, static_cast<std::uint64_t>(i) / 4);
    float normals[4];
    two_normals(block.v[0], block.v[1], normals);
    two_normals(block.v[2], block.v[3], normals + 2);
    for (Index k = 0; k < std::min<Index>(4, count - i); ++k)
      image[i + k] += scale * normals[k] * valid[i + k];
  }
}

void change_intensity(const Intensity& intensity, const Triple& patch, const float* valid, float* image) {
  const Index count = patch[0] * patch[1] * patch[2];
  if (intensity.blur > 0) blur_patch(intensity.blur, patch, valid, image);
  if (intensity.gamma != 1) apply_gamma(intensity.gamma, count, valid, image);
  if (intensity.noise > 0) {
    add_noise(intensity.noise, intensity.key, intensity.sample, count, valid, image);
  }
}

}  // namespace duet
