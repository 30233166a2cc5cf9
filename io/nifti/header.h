// Internal to io/nifti: raw header bytes to checked values and back. All checks of untrusted headers stand in
// header.cpp.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "io/nifti/geometry.h"

namespace duet::nifti {

inline constexpr std::size_t kHeaderBytes1 = 348, kHeaderBytes2 = 540;
inline constexpr Index kMaxVoxels = Index{1} << 48;

// A header whose every value was checked (see parse_header) and is in this machine's byte order.
struct Header {
  bool big_endian = false;
  bool swapped = false;     // stored in the other byte order
  bool single_file = true;  // magic n+1 or n+2
  int datatype = 0, bitpix = 0;
  std::int64_t data_offset = 0;  // >= 352 or 544 in a single file, >= 0 in an .img
  double slope = 0, intercept = 0;
  std::string description;
  StoredHeader stored;
  Index voxels = 1;  // of a channel
  Index channels = 1;

  std::size_t bytes() const { return stored.version == 1 ? kHeaderBytes1 : kHeaderBytes2; }
  // Bytes of all voxels; no overflow by the checks.
  std::uint64_t data_bytes() const { return static_cast<std::uint64_t>(voxels * channels) * (bitpix / 8); }
};

// One row for each type code of the standard.
struct TypeRow {
  int code;
  int bits;
  const char* name;
  bool readable;  // read_image takes it
};
const TypeRow* find_type(int code);  // nullptr for unknown codes

// Checks size, byte order, magic, dim, datatype, bitpix, vox_offset and scaling; throws Error(data) naming
// `file`. `bytes` is the file's beginning, up to kHeaderBytes2.
Header parse_header(std::span<const std::byte> bytes, const std::string& file);

// The bytes of a header in this machine's order.
std::vector<std::byte> pack_header(const Header& header);

// The affine by libnifti2, of a checked header: sform, else qform, else method 1. Throws Error(data) unless
// finite and regular.
struct SourcedAffine {
  Affine affine;
  std::string source;
};
SourcedAffine decode_affine(const Header& header, const std::string& file);

// Quaternion, offset and pixdim of an affine, by libnifti2.
void set_qform(StoredHeader& stored, const Affine& affine);
Affine qform_affine(const StoredHeader& stored);

}  // namespace duet::nifti
