#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <nifti2_io.h>

#include "engine/core/errors.h"
#include "io/nifti/header.h"
#include "io/nifti/image.h"
#include "io/nifti/input_file.h"
#include "io/nifti/paths.h"

namespace duet {
namespace {

namespace fs = std::filesystem;
using nifti::Header;
using nifti::InputFile;

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

// A header's file, opened and read up to the voxels (or its end).
struct Opened {
  Header header;
  fs::path file, image_file;
  bool compressed = false;
  int extensions = 0;
};

// Reads the chain of extensions between the header and `end` (bytes from the file's beginning); none is kept.
// Returns their number. Sizes are checked, so a chain never leads past `end`.
int walk_extensions(InputFile& input, const Header& header, std::uint64_t end, const std::string& name) {
  std::uint64_t at = header.bytes();
  std::byte flag[4] = {};
  if (at + 4 > end || input.read(flag, 4) != 4) return 0;
  at += 4;
  int count = 0;
  while (flag[0] != std::byte{0} && at + 8 <= end) {
    std::int32_t entry[2] = {};  // size with these eight bytes, code
    if (input.read(reinterpret_cast<std::byte*>(entry), 8) != 8) {
      if (header.single_file) throw Error(ExitCode::data, text(name, ": truncated in extension ", count + 1));
      return count;
    }
    if (header.swapped) nifti_swap_4bytes(2, entry);
    if (entry[0] == 0) return count;  // padding up to the voxels
    if (entry[0] < 8 || static_cast<std::uint64_t>(entry[0]) > end - at) {
      throw Error(ExitCode::data, text(name, ": extension ", count + 1, " says it has ", entry[0],
                                       " bytes, expected 8 to ", end - at));
    }
    if (!input.skip(static_cast<std::uint64_t>(entry[0]) - 8)) {
      throw Error(ExitCode::data, text(name, ": truncated in extension ", count + 1));
    }
    at += static_cast<std::uint64_t>(entry[0]);
    ++count;
  }
  return count;
}

// Refuses a declared size that the file cannot hold, before anything is allocated.
void check_room(const InputFile& input, const Header& header, const std::string& name) {
  const std::uint64_t wanted = static_cast<std::uint64_t>(header.data_offset) + header.data_bytes();
  if (wanted > input.most_content()) {
    throw Error(ExitCode::data,
                text(name, ": the header declares ", wanted, " bytes (voxels begin at ", header.data_offset,
                     "), the file of ", input.disk_bytes(),
                     input.compressed() ? " compressed bytes can hold at most " : " bytes holds ",
                     input.most_content()));
  }
}

Opened open_header(const fs::path& given) {
  Opened opened;
  opened.file = nifti::header_path(given);
  const std::string name = opened.file.string();
  InputFile input(opened.file);
  opened.compressed = input.compressed();
  std::vector<std::byte> bytes(nifti::kHeaderBytes1);
  bytes.resize(input.read(bytes.data(), bytes.size()));
  // NIfTI-2's header is longer; whether it is one stands in the first bytes, so a .hdr of 348 bytes is not
  // read past its end.
  std::vector<std::byte> rest(nifti::kHeaderBytes2 - nifti::kHeaderBytes1);
  const bool second = bytes.size() >= 4 && (bytes[0] == std::byte{0x1c} || bytes[3] == std::byte{0x1c});
  if (second) {
    rest.resize(input.read(rest.data(), rest.size()));
    bytes.insert(bytes.end(), rest.begin(), rest.end());
  }
  opened.header = nifti::parse_header(bytes, name);
  if (opened.header.single_file && nifti::is_pair_path(opened.file)) {
    throw Error(ExitCode::data,
                text(name, ": magic is that of a single file, expected that of a .hdr/.img pair"));
  }
  if (!opened.header.single_file && !nifti::is_pair_path(opened.file)) {
    throw Error(ExitCode::data,
                text(name, ": magic is that of a .hdr/.img pair, expected that of a single file"));
  }
  if (opened.header.single_file) {
    check_room(input, opened.header, name);
    opened.extensions =
        walk_extensions(input, opened.header, static_cast<std::uint64_t>(opened.header.data_offset), name);
    opened.image_file = opened.file;
  } else {
    opened.extensions = walk_extensions(input, opened.header, input.most_content(), name);
    opened.image_file = nifti::image_path(opened.file);
  }
  return opened;
}

bool scales(const Header& h) {
  return std::isfinite(h.slope) && h.slope != 0 && !(h.slope == 1 && h.intercept == 0);
}

std::string why_refused(const Header& header) {
  const nifti::TypeRow& type = *nifti::find_type(header.datatype);
  if (type.readable) return "";
  return text("voxels of type ", type.name, ", expected an integer or float type of up to 64 bits");
}

Geometry geometry_of(const Header& header, const Affine& affine) {
  Geometry g;
  const auto& dim = header.stored.dim;
  for (int a = 0; a < 3; ++a) g.size[2 - a] = a < dim[0] ? dim[a + 1] : 1;
  g.affine = affine;
  g.spacing = spacing_of(affine);
  g.stored = header.stored;
  return g;
}

template <class Stored>
void convert(const std::vector<std::byte>& bytes, std::size_t count, const Header& h,
             std::vector<float>& out) {
  const bool scale = scales(h);
  for (std::size_t i = 0; i < count; ++i) {
    Stored value;
    std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out.push_back(static_cast<float>(scale ? static_cast<double>(value) * h.slope + h.intercept
                                           : static_cast<double>(value)));
  }
}

void convert_any(const std::vector<std::byte>& bytes, std::size_t count, const Header& h,
                 std::vector<float>& out) {
  switch (static_cast<VoxelType>(h.datatype)) {
    case VoxelType::u8:
      return convert<std::uint8_t>(bytes, count, h, out);
    case VoxelType::i8:
      return convert<std::int8_t>(bytes, count, h, out);
    case VoxelType::u16:
      return convert<std::uint16_t>(bytes, count, h, out);
    case VoxelType::i16:
      return convert<std::int16_t>(bytes, count, h, out);
    case VoxelType::u32:
      return convert<std::uint32_t>(bytes, count, h, out);
    case VoxelType::i32:
      return convert<std::int32_t>(bytes, count, h, out);
    case VoxelType::u64:
      return convert<std::uint64_t>(bytes, count, h, out);
    case VoxelType::i64:
      return convert<std::int64_t>(bytes, count, h, out);
    case VoxelType::f32:
      return convert<float>(bytes, count, h, out);
    case VoxelType::f64:
      return convert<double>(bytes, count, h, out);
  }
}

// Voxels in stored order. Memory grows with what has been read, never with what is only declared.
std::vector<float> read_voxels(InputFile& input, const Header& header, const std::string& name) {
  check_room(input, header, name);
  const std::size_t total = static_cast<std::size_t>(header.voxels * header.channels);
  const std::size_t width = static_cast<std::size_t>(header.bitpix / 8);
  const auto truncated = [&](std::size_t found) {
    throw Error(ExitCode::data,
                text(name, ": truncated: expected ", header.data_bytes(), " bytes of voxels, found ", found));
  };
  if (!input.skip(static_cast<std::uint64_t>(header.data_offset))) truncated(0);
  std::vector<float> out;
  if (!input.compressed()) out.reserve(total);
  std::vector<std::byte> chunk(std::min(kChunkBytes, total * width));
  while (out.size() < total) {
    const std::size_t wanted = std::min(chunk.size() / width, total - out.size());
    const std::size_t got = input.read(chunk.data(), wanted * width);
    if (got != wanted * width) truncated(out.size() * width + got);
    if (out.capacity() - out.size() < wanted)
      out.reserve(std::min(total, out.size() + std::max(out.size(), wanted)));
    if (header.swapped && width > 1)
      nifti_swap_Nbytes(static_cast<std::int64_t>(wanted), static_cast<int>(width), chunk.data());
    convert_any(chunk, wanted, header, out);
  }
  input.verify_end();
  return out;
}

}  // namespace

ImageInfo read_header(const fs::path& file) {
  const Opened opened = open_header(file);
  const Header& h = opened.header;
  const auto sourced = nifti::decode_affine(h, opened.file.string());
  ImageInfo info;
  info.file = opened.file;
  info.image_file = opened.image_file;
  info.version = h.stored.version;
  info.single_file = h.single_file;
  info.compressed = opened.compressed;
  info.big_endian = h.big_endian;
  info.datatype = h.datatype;
  info.datatype_name = nifti::find_type(h.datatype)->name;
  info.bits = h.bitpix;
  info.shape.assign(h.stored.dim.begin() + 1, h.stored.dim.begin() + 1 + h.stored.dim[0]);
  info.channels = h.channels;
  info.slope = h.slope;
  info.intercept = h.intercept;
  info.scaled = scales(h);
  info.data_offset = h.data_offset;
  info.extensions = opened.extensions;
  info.description = h.description;
  const int unit = h.stored.xyzt_units & 7;
  info.spatial_unit = unit == 1 ? "m" : unit == 2 ? "mm" : unit == 3 ? "um" : "unknown";
  info.affine_source = sourced.source;
  info.geometry = geometry_of(h, sourced.affine);
  info.refused = why_refused(h);
  if (info.refused.empty() && !h.single_file) {
    try {
      check_room(InputFile(opened.image_file), h, opened.image_file.string());
    } catch (const Error& error) {
      info.refused = error.what();
    }
  }
  return info;
}

Image read_image(const fs::path& file, const ReadOptions& options) {
  const Opened opened = open_header(file);
  const Header& h = opened.header;
  const std::string name = opened.file.string();
  if (const std::string why = why_refused(h); !why.empty())
    throw Error(ExitCode::data, text(name, ": ", why));
  Image image;
  image.file = opened.file;
  image.geometry = geometry_of(h, nifti::decode_affine(h, name).affine);
  image.channels = h.channels;
  image.datatype = static_cast<VoxelType>(h.datatype);
  image.is_integer = image.datatype != VoxelType::f32 && image.datatype != VoxelType::f64 && !scales(h);
  try {
    InputFile input(opened.image_file);
    image.data = read_voxels(input, h, opened.image_file.string());
    if (options.reorient_to_ras) {
      const Orientation o = orientation_to_ras(image.geometry);
      image.geometry = reoriented(image.geometry, o);
      if (!o.is_stored_order()) {
        image.data = from_stored_order<float>(image.data, image.geometry.size, image.channels, o);
      }
    }
  } catch (const std::bad_alloc&) {
    throw Error(ExitCode::device,
                text(name, ": its ", h.voxels * h.channels, " voxels do not fit into memory"));
  }
  image.size = image.geometry.size;
  image.spacing = image.geometry.spacing;
  image.affine = image.geometry.affine;
  return image;
}

}  // namespace duet
