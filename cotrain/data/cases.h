// Cases in memory, ready to cut patches from: read, checked, shrunk, z-scored and padded once. Called by
// trainer and prediction.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cotrain/config/run_config.h"
#include "io/dataset/preprocess.h"
#include "io/dataset/split.h"
#include "io/nifti/image.h"

namespace duet {

struct LoadedCase {
  std::string id;
  Geometry geometry;                 // of the image as networks see it, before padding
  PadFrame frame;                    // image inside its padded form
  std::vector<float> image;          // (D, H, W) of frame.size, z-scored, 0 outside the image
  std::vector<std::uint8_t> labels;  // the same, empty when unlabelled
  std::vector<std::vector<std::uint32_t>>
      foreground;  // positions in `image` of each class >= 1 (at most 2^32 voxels)
};

// One channel, finite, on its own grid. Throws Error(data) naming the file.
Image read_checked(const std::filesystem::path& file, bool reorient);

// As networks see it, of the image that read_checked gave: means of blocks of `shrink` voxels on their grid,
// z-scored.
Image normalised(Image image, const Triple& shrink);

// Reads image and label, shrinks both by config.shrink and pads to at least config.patch. Throws Error(data)
// naming case and file: several channels, values that are not finite, label of another shape or affine (by
// how much), label values outside [0, classes). Error(device) naming both and the patch where memory is
// short.
LoadedCase load_case(const Case& from, int classes, const DataConfig& config);

// load_case of each, in order, on as many threads as the process may use. Where cases fail, the error is that
// of the first one in the list.
std::vector<LoadedCase> load_cases(const std::vector<SplitCase>& cases, int classes,
                                   const DataConfig& config);

// Of each axis (D, H, W), mm; of at least one case. And whether a spacing is clearly another: by more than
// half along an axis.
std::array<double, 3> median_spacing(std::vector<std::array<double, 3>> spacings);
bool far_from(const std::array<double, 3>& spacing, const std::array<double, 3>& usual);

// One line for each group of cases whose spacing or orientation clearly differs (spacing by more than half,
// or other axis codes) from the most common one, naming them. Geometries as stored, not reoriented.
std::vector<std::string> geometry_warnings(const std::vector<std::pair<std::string, Geometry>>& cases);

}  // namespace duet
