#include "io/nifti/geometry.h"

#include <algorithm>
#include <cmath>

#include "engine/core/errors.h"
#include "io/nifti/header.h"

namespace duet {
namespace {

double unit_mm(const Geometry& geometry) {
  const int unit = geometry.stored.xyzt_units & 7;  // NIFTI_UNITS_METER 1, MM 2, MICRON 3
  return unit == 1 ? 1e3 : unit == 3 ? 1e-3 : 1.0;
}

Affine affine_mm(const Geometry& geometry) {
  Affine affine = geometry.affine;
  for (auto& row : affine.m) {
    for (double& value : row) value *= unit_mm(geometry);
  }
  return affine;
}

std::string list(const Triple& t) { return text('(', t[0], ',', t[1], ',', t[2], ')'); }

// Sizes and strides of the stored order, in voxel-axis order i, j, k.
struct StoredGrid {
  std::array<Index, 3> size, stride;
};

StoredGrid stored_grid(const Triple& memory, const Orientation& o) {
  StoredGrid grid;
  for (int a = 0; a < 3; ++a) grid.size[o.axis[a]] = memory[2 - a];
  grid.stride = {1, grid.size[0], grid.size[0] * grid.size[1]};
  return grid;
}

// Calls copy(memory index, stored index) for every voxel of every channel.
template <class Copy>
void for_each_voxel(std::size_t values, const Triple& size, Index channels, const Orientation& o,
                    const Copy& copy) {
  const StoredGrid grid = stored_grid(size, o);
  const Index voxels = size[0] * size[1] * size[2];
  if (static_cast<Index>(values) != channels * voxels) {
    throw Error(ExitCode::data, text(values, " values for ", channels, " channels of shape ", list(size),
                                     ", expected ", channels * voxels));
  }
  std::array<Index, 3> step;
  Index first = 0;
  for (int a = 0; a < 3; ++a) {
    const Index stride = grid.stride[o.axis[a]];
    step[a] = o.flip[a] ? -stride : stride;
    if (o.flip[a]) first += stride * (size[2 - a] - 1);
  }
  Index at = 0;
  for (Index c = 0; c < channels; ++c) {
    for (Index k = 0; k < size[0]; ++k) {
      for (Index j = 0; j < size[1]; ++j) {
        Index stored = c * voxels + first + k * step[2] + j * step[1];
        for (Index i = 0; i < size[2]; ++i, ++at, stored += step[0]) copy(at, stored);
      }
    }
  }
}

}  // namespace

std::array<double, 3> spacing_of(const Affine& affine) {
  std::array<double, 3> out;
  for (int c = 0; c < 3; ++c) out[2 - c] = std::hypot(affine.m[0][c], affine.m[1][c], affine.m[2][c]);
  return out;
}

namespace {

// `keep_k`: k stays the third axis.
Orientation nearest_to_ras(const Affine& affine, bool keep_k) {
  const auto spacing = spacing_of(affine);
  const auto cosine = [&](int world, int voxel) { return affine.m[world][voxel] / spacing[2 - voxel]; };
  std::array<int, 3> axis = {0, 1, 2};
  Orientation best;
  double best_sum = -1;
  do {
    if (keep_k && axis[2] != 2) continue;
    double sum = 0;
    for (int a = 0; a < 3; ++a) sum += std::fabs(cosine(a, axis[a]));
    if (sum > best_sum + 1e-9) {  // ties keep the first, which is nearest to the stored order
      best_sum = sum;
      best.axis = axis;
    }
  } while (std::next_permutation(axis.begin(), axis.end()));
  for (int a = 0; a < 3; ++a) best.flip[a] = cosine(a, best.axis[a]) < 0;
  return best;
}

}  // namespace

Orientation orientation_to_ras(const Affine& affine) { return nearest_to_ras(affine, false); }

Orientation orientation_to_ras(const Geometry& stored) {
  return nearest_to_ras(stored.affine, stored.size[0] == 1);
}

std::array<double, 3> spacing_mm(const Geometry& geometry) {
  std::array<double, 3> spacing = geometry.spacing;
  for (double& each : spacing) each *= unit_mm(geometry);
  return spacing;
}

std::string axis_codes(const Affine& affine) {
  const Orientation o = orientation_to_ras(affine);
  std::string codes = "???";
  for (int a = 0; a < 3; ++a) codes[o.axis[a]] = (o.flip[a] ? "LPI" : "RAS")[a];
  return codes;
}

Geometry reoriented(const Geometry& geometry, const Orientation& o) {
  DUET_CHECK(geometry.orientation.is_stored_order(), "reoriented: expected a geometry in stored order");
  Geometry out = geometry;
  out.orientation = o;
  for (int r = 0; r < 3; ++r) {
    for (int a = 0; a < 3; ++a) {
      const double column = geometry.affine.m[r][o.axis[a]];
      out.affine.m[r][a] = o.flip[a] ? -column : column;
      if (o.flip[a]) out.affine.m[r][3] += column * static_cast<double>(geometry.size[2 - o.axis[a]] - 1);
    }
  }
  for (int a = 0; a < 3; ++a) {
    out.size[2 - a] = geometry.size[2 - o.axis[a]];
    out.spacing[2 - a] = geometry.spacing[2 - o.axis[a]];
  }
  return out;
}

template <class T>
std::vector<T> from_stored_order(std::span<const T> stored, const Triple& size, Index channels,
                                 const Orientation& o) {
  std::vector<T> out(stored.size());
  for_each_voxel(stored.size(), size, channels, o, [&](Index at, Index from) { out[at] = stored[from]; });
  return out;
}

template <class T>
std::vector<T> to_stored_order(std::span<const T> memory, const Triple& size, Index channels,
                               const Orientation& o) {
  std::vector<T> out(memory.size());
  for_each_voxel(memory.size(), size, channels, o, [&](Index at, Index to) { out[to] = memory[at]; });
  return out;
}

template std::vector<float> from_stored_order(std::span<const float>, const Triple&, Index,
                                              const Orientation&);
template std::vector<float> to_stored_order(std::span<const float>, const Triple&, Index, const Orientation&);
template std::vector<std::uint8_t> from_stored_order(std::span<const std::uint8_t>, const Triple&, Index,
                                                     const Orientation&);
template std::vector<std::uint8_t> to_stored_order(std::span<const std::uint8_t>, const Triple&, Index,
                                                   const Orientation&);

std::optional<std::string> geometry_difference(const Geometry& a, const Geometry& b, double tolerance) {
  if (a.size != b.size) return text("shape ", list(a.size), " against ", list(b.size));
  const Affine in_a = affine_mm(a), in_b = affine_mm(b);
  // The difference of two affine maps is affine, so it is largest at a corner of the grid.
  double largest = 0;
  for (int corner = 0; corner < 8; ++corner) {
    double square = 0;
    for (int r = 0; r < 3; ++r) {
      double apart = in_a.m[r][3] - in_b.m[r][3];
      for (int c = 0; c < 3; ++c) {
        if (corner >> c & 1) apart += (in_a.m[r][c] - in_b.m[r][c]) * static_cast<double>(a.size[2 - c] - 1);
      }
      square += apart * apart;
    }
    largest = std::max(largest, std::sqrt(square));
  }
  if (largest <= tolerance) return std::nullopt;
  int row = 0, column = 3;  // the element that moves voxels most
  double most = -1;
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 4; ++c) {
      const double reach = c == 3 ? 1.0 : static_cast<double>(std::max<Index>(1, a.size[2 - c] - 1));
      const double moved = std::fabs(in_a.m[r][c] - in_b.m[r][c]) * reach;
      if (moved > most) {
        most = moved;
        row = r;
        column = c;
      }
    }
  }
  const std::string what =
      column == 3 ? text("offset along ", "xyz"[row]) : text("column of voxel axis ", "ijk"[column]);
  return text("affine: voxels lie up to ", largest, " mm apart (element [", row, "][", column, "], ", what,
              ": ", in_a.m[row][column], " against ", in_b.m[row][column], ")");
}

Geometry make_geometry(const Triple& size, const Affine& affine) {
  Geometry g;
  g.size = size;
  g.affine = affine;
  g.spacing = spacing_of(affine);
  if (*std::min_element(size.begin(), size.end()) < 1) {
    throw Error(ExitCode::data, text("geometry: shape ", list(size), ", expected sizes of at least 1"));
  }
  const bool small = *std::max_element(size.begin(), size.end()) <= 32767;
  StoredHeader& s = g.stored;
  s.version = small ? 1 : 2;
  s.dim = {3, size[2], size[1], size[0], 1, 1, 1, 1};
  s.xyzt_units = 2;  // mm
  s.sform_code = 1;
  for (int r = 0; r < 3; ++r) s.srow[r] = affine.m[r];
  nifti::Header header;
  header.datatype = 2;
  header.bitpix = 8;
  header.stored = s;
  nifti::decode_affine(header, "geometry");  // refuses a singular affine before a qform is made of it
  nifti::set_qform(s, affine);
  header.stored = s;
  s = nifti::parse_header(nifti::pack_header(header), "geometry")
          .stored;  // as it will be read: floats in NIfTI-1
  header.stored = s;
  g.affine = nifti::decode_affine(header, "geometry").affine;
  g.spacing = spacing_of(g.affine);
  Geometry by_qform = g;
  by_qform.affine = nifti::qform_affine(s);
  s.qform_code = geometry_difference(g, by_qform, 1e-2 * spacing_mm(g)[0]) ? 0 : 1;
  return g;
}

Geometry shrunk(const Geometry& geometry, const Triple& block) {
  if (block == Triple{1, 1, 1}) return geometry;
  Triple size;
  Affine affine = geometry.affine;
  for (int a = 0; a < 3; ++a) {
    const Index voxels = block[2 - a];
    DUET_CHECK(voxels >= 1, "shrunk: blocks of ", voxels, " voxels along axis ", 2 - a);
    size[2 - a] = (geometry.size[2 - a] + voxels - 1) / voxels;
    for (int r = 0; r < 3; ++r) {
      affine.m[r][3] += affine.m[r][a] * static_cast<double>(voxels - 1) / 2;
      affine.m[r][a] *= static_cast<double>(voxels);
    }
  }
  Geometry out = make_geometry(size, affine);
  out.affine = affine;  // exactly, not as a header's floats have it
  out.spacing = spacing_of(affine);
  out.stored.xyzt_units = geometry.stored.xyzt_units;
  return out;
}

Geometry make_geometry(const Triple& size, const std::array<double, 3>& spacing) {
  Affine affine;
  for (int a = 0; a < 3; ++a) affine.m[a][a] = spacing[2 - a];
  return make_geometry(size, affine);
}

}  // namespace duet
