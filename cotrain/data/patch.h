// One patch cut out of a case: mirrored, made brighter or darker, with the voxels that are inside the image.
// Called by the sampler, which draws where and how.
#pragma once

#include <cstdint>

#include "cotrain/data/cases.h"

namespace duet {

struct Placement {
  Triple corner{};  // of the patch in the padded case; the patch lies inside it
  bool flip[3] = {};
  float factor = 1, offset = 0;  // image * factor + offset
};

// Writes `image` and `valid` (1 inside the image, else 0; both (D, H, W) of `patch`) and, unless it is null,
// `labels`. Padding stays 0. Runs in the caller's thread alone.
void cut_patch(const LoadedCase& from, const Placement& place, const Triple& patch, float* image,
               float* valid, std::uint8_t* labels);

}  // namespace duet
