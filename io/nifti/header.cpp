#include "io/nifti/header.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <nifti2_io.h>

#include "engine/core/errors.h"

namespace duet::nifti {
namespace {

static_assert(sizeof(nifti_1_header) == kHeaderBytes1 && sizeof(nifti_2_header) == kHeaderBytes2);

constexpr TypeRow kTypes[] = {
    {2, 8, "uint8", true},
    {4, 16, "int16", true},
    {8, 32, "int32", true},
    {16, 32, "float32", true},
    {64, 64, "float64", true},
    {256, 8, "int8", true},
    {512, 16, "uint16", true},
    {768, 32, "uint32", true},
    {1024, 64, "int64", true},
    {1280, 64, "uint64", true},
    {1, 1, "binary", false},
    {32, 64, "complex64", false},
    {128, 24, "RGB24", false},
    {1536, 128, "float128", false},
    {1792, 128, "complex128", false},
    {2048, 256, "complex256", false},
    {2304, 32, "RGBA32", false},
};

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw Error(ExitCode::data, text(file, ": ", what));
}

// Text fields need no terminator in the file; what cannot be printed is dropped.
std::string printable(const char* field, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size && field[i]; ++i) {
    if (field[i] >= 32 && field[i] < 127) out += field[i];
  }
  return out;
}

template <class Raw>
void copy_common(const Raw& raw, Header& header) {
  StoredHeader& s = header.stored;
  std::copy(std::begin(raw.dim), std::end(raw.dim), s.dim.begin());
  std::copy(std::begin(raw.pixdim), std::end(raw.pixdim), s.pixdim.begin());
  s.qform_code = raw.qform_code;
  s.sform_code = raw.sform_code;
  s.quaternion = {raw.quatern_b, raw.quatern_c, raw.quatern_d};
  s.offset = {raw.qoffset_x, raw.qoffset_y, raw.qoffset_z};
  std::copy(std::begin(raw.srow_x), std::end(raw.srow_x), s.srow[0].begin());
  std::copy(std::begin(raw.srow_y), std::end(raw.srow_y), s.srow[1].begin());
  std::copy(std::begin(raw.srow_z), std::end(raw.srow_z), s.srow[2].begin());
  s.xyzt_units = static_cast<unsigned char>(raw.xyzt_units);
  header.datatype = raw.datatype;
  header.bitpix = raw.bitpix;
  header.slope = raw.scl_slope;
  header.intercept = raw.scl_inter;
  header.description = printable(raw.descrip, sizeof(raw.descrip));
}

template <class Raw>
Raw pack_common(const Header& header) {
  Raw raw = {};
  const StoredHeader& s = header.stored;
  using Dim = std::remove_reference_t<decltype(raw.dim[0])>;
  using Real = std::remove_reference_t<decltype(raw.pixdim[0])>;
  raw.sizeof_hdr = sizeof(Raw);
  for (int i = 0; i < 8; ++i) raw.dim[i] = static_cast<Dim>(s.dim[i]);
  for (int i = 0; i < 8; ++i) raw.pixdim[i] = static_cast<Real>(s.pixdim[i]);
  raw.qform_code = static_cast<decltype(raw.qform_code)>(s.qform_code);
  raw.sform_code = static_cast<decltype(raw.sform_code)>(s.sform_code);
  raw.quatern_b = static_cast<Real>(s.quaternion[0]);
  raw.quatern_c = static_cast<Real>(s.quaternion[1]);
  raw.quatern_d = static_cast<Real>(s.quaternion[2]);
  raw.qoffset_x = static_cast<Real>(s.offset[0]);
  raw.qoffset_y = static_cast<Real>(s.offset[1]);
  raw.qoffset_z = static_cast<Real>(s.offset[2]);
  for (int i = 0; i < 4; ++i) {
    raw.srow_x[i] = static_cast<Real>(s.srow[0][i]);
    raw.srow_y[i] = static_cast<Real>(s.srow[1][i]);
    raw.srow_z[i] = static_cast<Real>(s.srow[2][i]);
  }
  raw.xyzt_units = static_cast<decltype(raw.xyzt_units)>(s.xyzt_units);
  raw.datatype = static_cast<short>(header.datatype);
  raw.bitpix = static_cast<short>(header.bitpix);
  raw.vox_offset = static_cast<decltype(raw.vox_offset)>(header.data_offset);
  raw.scl_slope = static_cast<Real>(header.slope);
  raw.scl_inter = static_cast<Real>(header.intercept);
  header.description.copy(raw.descrip, sizeof(raw.descrip) - 1);
  return raw;
}

template <class Raw>
std::vector<std::byte> bytes_of(const Raw& raw) {
  const auto* begin = reinterpret_cast<const std::byte*>(&raw);
  return {begin, begin + sizeof(raw)};
}

void check_sizes(Header& header, const std::string& file) {
  const auto& dim = header.stored.dim;
  if (dim[0] < 1 || dim[0] > 7) refuse(file, text("dim[0] is ", dim[0], ", expected 1 to 7 dimensions"));
  Index total = 1;
  for (int i = 1; i <= dim[0]; ++i) {
    if (dim[i] < 1) refuse(file, text("dim[", i, "] is ", dim[i], ", expected at least 1"));
    if (__builtin_mul_overflow(total, dim[i], &total) || total > kMaxVoxels) {
      refuse(file, text("the sizes up to dim[", i, "] = ", dim[i], " make more than 2^48 voxels"));
    }
    (i <= 3 ? header.voxels : header.channels) *= dim[i];
  }
}

void check_type(const Header& header, const std::string& file) {
  const TypeRow* type = find_type(header.datatype);
  if (!type) refuse(file, text("datatype ", header.datatype, " is no NIfTI type"));
  if (header.bitpix != type->bits) {
    refuse(file, text("bitpix is ", header.bitpix, ", expected ", type->bits, " for ", type->name));
  }
}

// nibabel's rules: an offset of 0 in a single file means the first place after the header.
void check_offset(double offset, Header& header, const std::string& file) {
  const double first = header.single_file ? static_cast<double>(header.bytes()) + 4 : 0;
  if (!std::isfinite(offset) || offset != std::floor(offset)) {
    refuse(file, text("vox_offset is ", offset, ", expected a whole number"));
  }
  if (header.single_file && offset == 0) offset = first;
  if (offset < first || offset > 0x1p53) {
    refuse(file,
           text("vox_offset is ", offset, ", expected at least ", first, " and less than the file's size"));
  }
  header.data_offset = static_cast<std::int64_t>(offset);
}

void check_scaling(const Header& header, const std::string& file) {
  const bool used = std::isfinite(header.slope) && header.slope != 0;
  if (used && !std::isfinite(header.intercept)) {
    refuse(file, text("scl_slope is ", header.slope, " but scl_inter is ", header.intercept,
                      ", expected a finite number"));
  }
}

}  // namespace

const TypeRow* find_type(int code) {
  const auto found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeRow& t) { return t.code == code; });
  return found == std::end(kTypes) ? nullptr : found;
}

Header parse_header(std::span<const std::byte> bytes, const std::string& file) {
  std::int32_t size = 0;
  if (bytes.size() >= sizeof(size)) std::memcpy(&size, bytes.data(), sizeof(size));
  std::int32_t turned = size;
  nifti_swap_4bytes(1, &turned);
  Header header;
  header.swapped = turned == int{kHeaderBytes1} || turned == int{kHeaderBytes2};
  header.big_endian = header.swapped == (std::endian::native == std::endian::little);
  if (header.swapped) size = turned;
  if (size != int{kHeaderBytes1} && size != int{kHeaderBytes2}) {
    refuse(file, "not a NIfTI file: it does not begin with the header size 348 or 540 in either byte order");
  }
  header.stored.version = size == int{kHeaderBytes1} ? 1 : 2;
  if (bytes.size() < header.bytes()) {
    refuse(file, text("truncated: the header has ", bytes.size(), " of ", header.bytes(), " bytes"));
  }
  double offset = 0;
  std::string magic;
  if (header.stored.version == 1) {
    nifti_1_header raw;
    std::memcpy(&raw, bytes.data(), sizeof(raw));
    if (header.swapped) nifti_swap_as_nifti1(&raw);
    magic.assign(raw.magic, 4);
    offset = raw.vox_offset;
    copy_common(raw, header);
  } else {
    nifti_2_header raw;
    std::memcpy(&raw, bytes.data(), sizeof(raw));
    if (header.swapped) nifti_swap_as_nifti2(&raw);
    magic.assign(raw.magic, 8);
    offset = static_cast<double>(raw.vox_offset);
    copy_common(raw, header);
  }
  const char version = header.stored.version == 1 ? '1' : '2';
  const std::string tail = header.stored.version == 1 ? "" : "\r\n\x1a\n";
  const std::string single = std::string{'n', '+', version, '\0'} + tail;
  const std::string pair = std::string{'n', 'i', version, '\0'} + tail;
  if (magic != single && magic != pair) {
    const bool analyze = header.stored.version == 1;
    refuse(file, text("magic is '", printable(magic.data(), magic.size()), "', expected 'n+", version,
                      "' or 'ni", version, "'",
                      analyze ? " (Analyze 7.5 images are not read: their orientation is undefined)" : ""));
  }
  header.single_file = magic == single;
  check_sizes(header, file);
  check_type(header, file);
  check_offset(offset, header, file);
  check_scaling(header, file);
  return header;
}

std::vector<std::byte> pack_header(const Header& header) {
  if (header.stored.version == 1) {
    auto raw = pack_common<nifti_1_header>(header);
    raw.regular = 'r';
    std::memcpy(raw.magic, header.single_file ? "n+1" : "ni1", 4);
    return bytes_of(raw);
  }
  auto raw = pack_common<nifti_2_header>(header);
  std::memcpy(raw.magic, header.single_file ? "n+2\0\r\n\x1a\n" : "ni2\0\r\n\x1a\n", 8);
  return bytes_of(raw);
}

}  // namespace duet::nifti
