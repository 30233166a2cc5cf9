// Where voxels lie: the affine, the orientation, and the header values that an output shares with its input.
// Called by io/nifti, the data sets, inference and the metrics. Voxel axes are i (fastest), j, k; sizes and
// spacings of Duet are in the order (D,H,W) = (k,j,i); world axes are x to the right, y to the front, z
// upwards (RAS+).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/core/shape.h"

namespace duet {

// Voxel indices (i, j, k, 1) to world coordinates (x, y, z, 1), in the header's spatial unit (mm unless it
// says otherwise).
struct Affine {
  std::array<std::array<double, 4>, 4> m = {{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}};

  friend bool operator==(const Affine&, const Affine&) = default;
};

// How an image in memory was turned from its stored order: axis a of memory (0 = i) runs along the stored
// axis axis[a], backwards where flip[a]. The default is the stored order itself.
struct Orientation {
  std::array<int, 3> axis = {0, 1, 2};
  std::array<bool, 3> flip = {false, false, false};

  bool is_stored_order() const { return *this == Orientation{}; }
  friend bool operator==(const Orientation&, const Orientation&) = default;
};

// The header values that outputs repeat, as stored (NIfTI-1 floats widened, which is exact). pixdim[0] is
// qfac.
struct StoredHeader {
  int version = 1;  // 1 or 2
  std::array<std::int64_t, 8> dim = {3, 1, 1, 1, 1, 1, 1, 1};
  std::array<double, 8> pixdim = {1, 1, 1, 1, 1, 1, 1, 1};
  int qform_code = 0;
  int sform_code = 0;
  std::array<double, 3> quaternion = {0, 0, 0};  // b, c, d
  std::array<double, 3> offset = {0, 0, 0};      // qoffset x, y, z
  std::array<std::array<double, 4>, 3> srow = {};
  int xyzt_units = 0;

  friend bool operator==(const StoredHeader&, const StoredHeader&) = default;
};

// The grid of an image in memory, and how to write another image on the same grid with the same header.
struct Geometry {
  Triple size = {1, 1, 1};                    // (D,H,W), in memory
  std::array<double, 3> spacing = {1, 1, 1};  // (D,H,W): the lengths of the affine's columns
  Affine affine;                              // of memory's voxel order
  Orientation orientation;                    // memory against stored
  StoredHeader stored;

  Index voxels() const { return size[0] * size[1] * size[2]; }
};

// A geometry from nothing (phantoms): sform and qform set (the qform only where the affine has no shear),
// unit mm, NIfTI-1 unless a size is above 32,767. Throws Error(data) when a size is below 1 or the affine is
// singular.
Geometry make_geometry(const Triple& size, const Affine& affine);
Geometry make_geometry(const Triple& size, const std::array<double, 3>& spacing);  // RAS, origin at voxel 0

// Lengths of the affine's columns, as (D,H,W).
std::array<double, 3> spacing_of(const Affine& affine);

// The spacing in mm: the header's unit may be m or um; unknown ones are taken for mm.
std::array<double, 3> spacing_mm(const Geometry& geometry);

// Nearest world axis of i, j, k: "RAS", "LPS", "PIR" and so on.
std::string axis_codes(const Affine& affine);

// The permutation and flips that bring the voxel axes nearest to RAS (largest sum of direction cosines).
Orientation orientation_to_ras(const Affine& affine);
// Of an image: that of its affine, but a single slice stays one along D, however it lies (sagittal, coronal),
// as networks in 2D take it. Requires a geometry in stored order.
Orientation orientation_to_ras(const Geometry& stored);

// The same grid, seen in the turned order; `stored` stays. Requires a geometry in stored order.
Geometry reoriented(const Geometry& geometry, const Orientation& orientation);

// The grid of blocks of `block` voxels (D,H,W) that begin at the first voxel: voxel 0 lies in the middle of
// the first block, the last one may be cut off at the border. Its header is one of its own, in the same unit;
// blocks of one voxel change nothing.
Geometry shrunk(const Geometry& geometry, const Triple& block);

// Copies voxels between the two orders; [channel][k][j][i], i fastest. `size` is (D,H,W) of the order in
// memory. Instantiated for float and std::uint8_t. Throws Error(data) when the number of values is not
// channels * voxels.
template <class T>
std::vector<T> from_stored_order(std::span<const T> stored, const Triple& size, Index channels,
                                 const Orientation& o);
template <class T>
std::vector<T> to_stored_order(std::span<const T> memory, const Triple& size, Index channels,
                               const Orientation& o);

// Nothing where both grids are one: equal shapes, and no voxel displaced by more than `tolerance` (mm). Else
// one line that says which differs and by how much (in mm, whatever unit each header has), `a` first: "shape
// (35,51,35) against (35,51,34)", "affine: voxels lie up to 2 mm apart ...".
std::optional<std::string> geometry_difference(const Geometry& a, const Geometry& b, double tolerance = 1e-2);

}  // namespace duet
