// The affine of a checked header, by libnifti2.
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <nifti2_io.h>

#include "engine/core/errors.h"
#include "io/nifti/header.h"

namespace duet::nifti {
namespace {

// The library prints what it dislikes; our own checks have spoken before.
void silence_library() {
  static std::once_flag once;
  std::call_once(once, [] { nifti_set_debug_level(0); });
}

Affine from_library(const nifti_dmat44& matrix) {
  Affine affine;
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < 4; ++c) affine.m[r][c] = matrix.m[r][c];
  }
  return affine;
}

// Reads only what the affine needs, so that nothing unchecked reaches the library.
Header affine_part(const Header& header) {
  Header part;
  part.single_file = header.single_file;
  part.datatype = header.datatype;
  part.bitpix = header.bitpix;
  part.data_offset = header.single_file ? static_cast<std::int64_t>(header.bytes()) + 4 : 0;
  part.stored = header.stored;
  StoredHeader& s = part.stored;
  s.dim = {3, 1, 1, 1, 1, 1, 1, 1};
  for (int i = 1; i <= std::min<int>(3, header.stored.dim[0]); ++i) s.dim[i] = header.stored.dim[i];
  s.pixdim = {header.stored.pixdim[0] < 0 ? -1.0 : 1.0, 1, 1, 1, 1, 1, 1, 1};
  for (int i = 1; i <= 3; ++i) {
    const double size = std::fabs(header.stored.pixdim[i]);
    if (size != 0) s.pixdim[i] = size;  // 0 in a missing dimension means 1
  }
  s.xyzt_units = 0;
  return part;
}

void check_qform(const StoredHeader& s, const std::string& file) {
  double length = 0;
  for (const double q : s.quaternion) length += q * q;
  // A unit quaternion has b^2 + c^2 + d^2 <= 1; a little more is float rounding, which the library mends.
  if (!(length <= 1.001)) {
    throw Error(ExitCode::data,
                text(file, ": qform: b^2 + c^2 + d^2 of the quaternion is ", length, ", expected at most 1"));
  }
}

void check_pixdim(const StoredHeader& s, const std::string& file) {
  for (int i = 1; i <= 3; ++i) {
    if (!std::isfinite(s.pixdim[i])) {
      throw Error(ExitCode::data,
                  text(file, ": pixdim[", i, "] is ", s.pixdim[i], ", expected a finite size"));
    }
  }
}

void check_regular(const Affine& affine, const std::string& source, const std::string& file) {
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 4; ++c) {
      if (!std::isfinite(affine.m[r][c])) {
        throw Error(ExitCode::data,
                    text(file, ": ", source, ": affine element [", r, "][", c, "] is ", affine.m[r][c]));
      }
    }
  }
  const auto& m = affine.m;
  const double determinant = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
                             m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
                             m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
  const auto length = spacing_of(affine);
  const double volume = length[0] * length[1] * length[2];
  if (!(std::fabs(determinant) > 1e-6 * volume) || !std::isfinite(volume)) {
    throw Error(ExitCode::data,
                text(file, ": ", source, ": the affine is singular (voxel axes of ", length[2], " x ",
                     length[1], " x ", length[0], ", determinant ", determinant, ")"));
  }
}

}  // namespace

SourcedAffine decode_affine(const Header& header, const std::string& file) {
  silence_library();
  const StoredHeader& s = header.stored;
  SourcedAffine result;
  result.source = s.sform_code > 0 ? "sform" : s.qform_code > 0 ? "qform" : "method 1";
  if (s.sform_code <= 0) check_pixdim(s, file);
  Header part = affine_part(header);
  if (s.sform_code > 0) {
    part.stored.qform_code = 0;  // not used, so not checked: keep it from the library
    part.stored.quaternion = part.stored.offset = {0, 0, 0};
    part.stored.pixdim = {1, 1, 1, 1, 1, 1, 1, 1};
  } else {
    part.stored.srow = {};
    part.stored.sform_code = 0;
    if (s.qform_code > 0) check_qform(s, file);
  }
  const std::vector<std::byte> bytes = pack_header(part);
  nifti_image* decoded = nullptr;
  if (s.version == 1) {
    nifti_1_header raw;
    std::memcpy(&raw, bytes.data(), sizeof(raw));
    decoded = nifti_convert_n1hdr2nim(raw, nullptr);
  } else {
    nifti_2_header raw;
    std::memcpy(&raw, bytes.data(), sizeof(raw));
    decoded = nifti_convert_n2hdr2nim(raw, nullptr);
  }
  const std::unique_ptr<nifti_image, decltype(&nifti_image_free)> owner(decoded, &nifti_image_free);
  if (!decoded) throw Error(ExitCode::data, text(file, ": the NIfTI library refuses the header"));
  result.affine = from_library(s.sform_code > 0 ? decoded->sto_xyz : decoded->qto_xyz);
  check_regular(result.affine, result.source, file);
  return result;
}

void set_qform(StoredHeader& stored, const Affine& affine) {
  nifti_dmat44 matrix = {};
  for (int r = 0; r < 4; ++r) {
    for (int c = 0; c < 4; ++c) matrix.m[r][c] = affine.m[r][c];
  }
  auto& q = stored.quaternion;
  auto& o = stored.offset;
  auto& p = stored.pixdim;
  nifti_dmat44_to_quatern(matrix, &q[0], &q[1], &q[2], &o[0], &o[1], &o[2], &p[1], &p[2], &p[3], &p[0]);
}

Affine qform_affine(const StoredHeader& stored) {
  const auto& q = stored.quaternion;
  const auto& o = stored.offset;
  const auto& p = stored.pixdim;
  return from_library(
      nifti_quatern_to_dmat44(q[0], q[1], q[2], o[0], o[1], o[2], p[1], p[2], p[3], p[0] < 0 ? -1.0 : 1.0));
}

}  // namespace duet::nifti
