// Writing NIfTI images on the grid of an image that was read. Called by `duet predict`, `duet phantom` and
// the tests. The output has the input's dim (3D part), pixdim, qform, sform, codes, units and NIfTI version;
// data in memory order goes back to the stored order. Files appear whole or not at all: written beside the
// target, synced, then renamed.
#pragma once

#include <filesystem>
#include <span>

#include "io/nifti/image.h"

namespace duet {

// `data` is [channel][k][j][i] in geometry's memory order, of channels * voxels values; above one channel the
// file is 4D. By extension .nii, .nii.gz, or the pair .hdr/.img, .hdr.gz/.img.gz (name either). Integer types
// take values rounded to the nearest; one out of range is Error(data). No space, no permission, a file-size
// limit (with SIGXFSZ ignored): Error(filesystem) naming the file; nothing is left behind and an older file
// of that name stays as it was.
void write_image(const std::filesystem::path& file, const Geometry& geometry, std::span<const float> data,
                 VoxelType type = VoxelType::f32);
void write_image(const std::filesystem::path& file, const Geometry& geometry,
                 std::span<const std::uint8_t> data);

}  // namespace duet
