// What happens to a patch's values beyond a factor and an offset: blur, then gamma, then noise. Called by the
// sampler after the patch is cut or warped.
#pragma once

#include <cstdint>

#include "cotrain/config/run_config.h"
#include "engine/core/philox.h"

namespace duet {

struct Intensity {
  double blur = 0;   // standard deviation in voxels
  double gamma = 1;  // exponent of the values, rescaled to [0, 1] and back
  double noise = 0;  // standard deviation
  PhiloxKey key;     // of the noise
  std::uint32_t sample = 0;
};

// After config.blur (uniform up to it), gamma (its logarithm uniform within +-) and noise.
Intensity draw_intensity(const AugmentConfig& config, std::uint64_t seed, std::uint32_t step,
                         std::uint32_t sample);

// Where `valid` is 0 the image takes no part and stays 0. In the caller's thread.
void change_intensity(const Intensity& intensity, const Triple& patch, const float* valid, float* image);

// The three by themselves. A voxel's blurred value is the weighed mean of the valid ones within three
// standard deviations inside the patch.
void blur_patch(double deviation, const Triple& patch, const float* valid, float* image);
void apply_gamma(double gamma, Index count, const float* valid, float* image);
void add_noise(double deviation, const PhiloxKey& key, std::uint32_t sample, Index count, const float* valid,
               float* image);

}  // namespace duet
