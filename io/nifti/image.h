// Reading NIfTI images: NIfTI-1 and NIfTI-2, .nii, .hdr/.img, gzip or not, both byte orders, all integer and
// float types. Called by the data sets, `duet predict`, `evaluate` and `info`. Files are untrusted: the raw
// header is checked before libnifti2 sees it, and memory grows only with data that is really there. Every
// error is one line that names the file: Error(filesystem) for missing or unreadable files, Error(data) for
// what stands in them.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/nifti/geometry.h"

namespace duet {

// Voxel types that are read and written; the values are the NIfTI codes.
enum class VoxelType {
  u8 = 2,
  i16 = 4,
  i32 = 8,
  f32 = 16,
  f64 = 64,
  i8 = 256,
  u16 = 512,
  u32 = 768,
  i64 = 1024,
  u64 = 1280
};

// All that a header says, for `duet info`.
struct ImageInfo {
  std::filesystem::path file;        // the header's file, as given or found beside the .img
  std::filesystem::path image_file;  // where the voxels stand
  int version = 1;                   // NIfTI-1 or NIfTI-2
  bool single_file = true;
  bool compressed = false;
  bool big_endian = false;
  int datatype = 0;                 // NIfTI code
  std::string datatype_name;        // "int16"
  int bits = 0;                     // a voxel
  std::vector<Index> shape;         // dim[1..dim[0]] as stored: i, j, k, ...
  Index channels = 1;               // product of the sizes beyond the third
  double slope = 0, intercept = 0;  // as stored
  bool scaled = false;           // whether slope and intercept change a value (not for slope 0 or not finite)
  std::int64_t data_offset = 0;  // bytes, in image_file
  int extensions = 0;
  std::string description;
  std::string spatial_unit;   // "mm", "m", "um" or "unknown": affines are not rescaled to mm
  std::string affine_source;  // "sform", "qform" or "method 1" (both codes 0: the NIfTI standard, not
                              // nibabel's centring)
  Geometry geometry;          // in stored order
  std::string refused;        // why read_image will not take it; empty as far as the header can tell
};

struct ReadOptions {
  bool reorient_to_ras = false;  // permute and flip axes towards RAS; no interpolation, every value stays
};

struct Image {
  std::filesystem::path file;
  std::vector<float> data;                    // [channel][k][j][i], i fastest: one channel is (D,H,W) dense
  Triple size = {1, 1, 1};                    // (D,H,W) = (nk,nj,ni)
  std::array<double, 3> spacing = {1, 1, 1};  // (D,H,W)
  Affine affine;
  Geometry geometry;                    // same size, spacing and affine, with what write_image needs
  Index channels = 1;                   // above 1 for 4D and more
  VoxelType datatype = VoxelType::f32;  // as stored
  bool is_integer = false;              // stored as integers, without scaling

  Index voxels() const { return size[0] * size[1] * size[2]; }
};

// Reads and checks the header; of the voxels only that they can be there (plain files: the size).
ImageInfo read_header(const std::filesystem::path& file);

// Reads voxels as value * slope + intercept in double, rounded to float. 4D images come with channels > 1 and
// values that are not finite stay: callers that want neither call require_single_channel and require_finite.
Image read_image(const std::filesystem::path& file, const ReadOptions& options = {});

struct NonFinite {
  Index count = 0;
  Index first = -1;  // index into the data
};
NonFinite count_nonfinite(std::span<const float> data);
void require_finite(const Image& image);          // Error(data) with the count and the first voxel
void require_single_channel(const Image& image);  // Error(data) with the shape

// A label image as class indices. Error(data) naming file, value and voxel unless every value is within 1e-5
// (a scaled file's rounding) of an integer in [0, classes); 1 <= classes <= 256.
std::vector<std::uint8_t> labels_of(const Image& image, int classes);

}  // namespace duet
