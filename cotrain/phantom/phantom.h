// Made-up cases to learn from: two nested organs among neighbours of the same brightness. Called by `duet
// phantom`, the demo and tests. A case is a pure function of (seed, case index, spec): the same bytes
// whatever the number of threads and the order of the calls.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/core/shape.h"

namespace duet {

// Lengths are relative to the shortest side of the image where not said otherwise; brightness is in units of
// the contrast between background (0) and outer organ (1).
struct PhantomSpec {
  Triple size = {40, 48, 40};                   // voxels along D, H, W; D = 1 makes a 2D image
  Index size_variation = 4;                     // each side longer than 1 differs by up to this many voxels
  std::array<double, 3> spacing = {1.5, 1, 1};  // mm along D, H, W
  double spacing_variation = 0.1;               // each factor lies in [1 - this, 1 + this]
  double shift = 0.10;                          // organ centre off the image centre, along each axis
  double deformation = 0.10;                    // of the organs' radii
  double bias = 0.35;                           // the field lies about in [1 - this, 1 + this]
  double noise = 0.12;                          // standard deviation after the blur
  double texture = 0.10;                        // amplitude inside each tissue
  double neighbours = 1.8;  // volume of the neighbours of each class's brightness, over the class's
};

// labels: 0 background, 1 outer organ, 2 inner organ (inside the outer one). Both arrays are (D, H, W), W
// fastest.
struct PhantomCase {
  Triple size = {0, 0, 0};
  std::array<double, 3> spacing = {1, 1, 1};  // mm along D, H, W
  std::vector<float> image;
  std::vector<std::uint8_t> labels;
};

inline constexpr int kPhantomClasses = 3;

// Throws EngineError for a spec that makes no image: a side below 16 voxels that is not D = 1, more than 2^27
// voxels, a number that is negative or not finite.
PhantomCase make_phantom(std::uint64_t seed, std::uint32_t case_index, const PhantomSpec& spec = {});
void check_phantom(const PhantomSpec& spec);  // throws it

}  // namespace duet
