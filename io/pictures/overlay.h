// The picture that shows a segmentation on its image: three orthogonal planes, the uncertainty below. Called
// by predict.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/core/shape.h"
#include "io/pictures/picture.h"

namespace duet {

// Volumes are (D, H, W), dense; in RAS these are z, y, x from feet, back and left upwards.
struct OverlayInput {
  Triple size{};                               // D, H, W
  std::array<double, 3> spacing = {1, 1, 1};   // along D, H, W; not positive or not finite counts as 1
  std::span<const float> image;                // as read; values that are not finite count as the darkest
  std::span<const std::uint8_t> segmentation;  // class of each voxel
  std::span<const float> uncertainty;          // empty: no second row
  double uncertainty_max = 0;  // the brightest colour of the heat map; 0: the map's own largest value
  std::span<const std::uint8_t> cut_through =
      {};  // whose centre the planes go through; empty: segmentation's
};

// Planes across D, H and W through the centre of mass of the voxels that are not 0 (the middle where there
// are none), each with higher indices upwards and to the right, at the voxels' aspect. Grey from the image's
// 1st to its 99th percentile, a colour a class (filled thinly, outlined). Sides of about 256 pixels and more.
// A volume of one slice gives one plane. EngineError where a volume's length is not D * H * W.
Picture overlay_planes(const OverlayInput& input);

// Colour of class 1, 2, ...; repeats after seven.
Colour class_colour(int index);

// Black, purple, red, yellow, white for 0..1.
Colour heat_colour(double value);

}  // namespace duet
