#include "io/nifti/write.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "engine/core/errors.h"
#include "io/nifti/header.h"
#include "io/nifti/output_file.h"
#include "io/nifti/paths.h"

namespace duet {
namespace {

using nifti::Header;
using nifti::OutputFile;

// Stored dim for `channels` channels: as it was where one is written for one (64 x 64 x 21 x 1 stays so),
// else 3D or 4D.
std::array<std::int64_t, 8> written_dim(const StoredHeader& stored, Index channels) {
  auto dim = stored.dim;
  Index beyond = 1;
  for (int i = 4; i <= dim[0]; ++i) beyond *= dim[i];
  for (int i = static_cast<int>(dim[0]) + 1; i < 8; ++i) dim[i] = 1;
  if (channels == beyond) return dim;
  for (int i = 4; i < 8; ++i) dim[i] = 1;
  dim[0] = channels > 1 ? 4 : std::min<std::int64_t>(dim[0], 3);
  dim[4] = channels;
  return dim;
}

Header output_header(const std::string& name, const Geometry& geometry, std::size_t values, VoxelType type) {
  const Index voxels = geometry.voxels();
  const Index channels = voxels > 0 ? static_cast<Index>(values) / voxels : 0;
  if (channels < 1 || channels * voxels != static_cast<Index>(values)) {
    throw Error(ExitCode::data,
                text(name, ": ", values, " values to write, expected a multiple of the grid's ", voxels));
  }
  Index stored_voxels = 1;
  for (int i = 1; i <= std::min<int>(3, static_cast<int>(geometry.stored.dim[0])); ++i)
    stored_voxels *= geometry.stored.dim[i];
  DUET_CHECK(stored_voxels == voxels, "write_image: geometry of ", voxels, " voxels, its stored header of ",
             stored_voxels);
  Header h;
  h.stored = geometry.stored;
  h.stored.dim = written_dim(geometry.stored, channels);
  if (h.stored.version == 1 && channels > std::numeric_limits<std::int16_t>::max()) {
    throw Error(ExitCode::data, text(name, ": ", channels, " channels do not fit NIfTI-1"));
  }
  h.datatype = static_cast<int>(type);
  h.bitpix = nifti::find_type(h.datatype)->bits;
  h.slope = 1;
  h.description = "Duet";
  return h;
}

template <class Stored, class Value>
void write_as(OutputFile& out, const std::string& name, std::span<const Value> data) {
  constexpr std::size_t kChunk = std::size_t{1} << 16;
  std::vector<Stored> chunk;
  for (std::size_t begin = 0; begin < data.size(); begin += kChunk) {
    chunk.clear();
    for (std::size_t i = begin; i < std::min(data.size(), begin + kChunk); ++i) {
      if constexpr (std::is_floating_point_v<Stored> || std::is_same_v<Stored, Value>) {
        chunk.push_back(static_cast<Stored>(data[i]));
      } else {
        // Both bounds are exact in double: lowest is a power of two or 0, and `above` is one more than the
        // largest.
        const double value = std::nearbyint(static_cast<double>(data[i]));
        const double above = std::ldexp(1.0, std::numeric_limits<Stored>::digits);
        if (!(value >= static_cast<double>(std::numeric_limits<Stored>::lowest()) && value < above)) {
          throw Error(ExitCode::data,
                      text(name, ": value ", data[i], " at index ", i, " does not fit ", sizeof(Stored) * 8,
                           "-bit ", std::is_signed_v<Stored> ? "" : "unsigned ", "integers"));
        }
        chunk.push_back(static_cast<Stored>(value));
      }
    }
    out.write(std::as_bytes(std::span<const Stored>(chunk)));
  }
}

template <class Value>
void write_values(OutputFile& out, const std::string& name, std::span<const Value> data, VoxelType type) {
  switch (type) {
    case VoxelType::u8:
      return write_as<std::uint8_t>(out, name, data);
    case VoxelType::i8:
      return write_as<std::int8_t>(out, name, data);
    case VoxelType::u16:
      return write_as<std::uint16_t>(out, name, data);
    case VoxelType::i16:
      return write_as<std::int16_t>(out, name, data);
    case VoxelType::u32:
      return write_as<std::uint32_t>(out, name, data);
    case VoxelType::i32:
      return write_as<std::int32_t>(out, name, data);
    case VoxelType::u64:
      return write_as<std::uint64_t>(out, name, data);
    case VoxelType::i64:
      return write_as<std::int64_t>(out, name, data);
    case VoxelType::f32:
      return write_as<float>(out, name, data);
    case VoxelType::f64:
      return write_as<double>(out, name, data);
  }
}

template <class Value>
void write_any(const std::filesystem::path& file, const Geometry& geometry, std::span<const Value> data,
               VoxelType type) {
  const std::string name = file.string();
  const nifti::NameParts parts = nifti::name_parts(file);
  if (parts.extension.empty()) {
    throw Error(ExitCode::usage, text(name, ": expected a name ending in .nii, .nii.gz, .hdr or .img"));
  }
  Header header = output_header(name, geometry, data.size(), type);
  std::vector<Value> turned;
  if (!geometry.orientation.is_stored_order()) {
    const Index channels = static_cast<Index>(data.size()) / geometry.voxels();
    turned = to_stored_order<Value>(data, geometry.size, channels, geometry.orientation);
    data = turned;
  }
  header.single_file = parts.extension == ".nii";
  header.data_offset = header.single_file ? static_cast<std::int64_t>(header.bytes()) + 4 : 0;
  std::vector<std::byte> head = nifti::pack_header(header);
  head.resize(head.size() + 4);  // no extensions
  if (header.single_file) {
    OutputFile out(file, parts.gz);
    out.write(head);
    write_values(out, name, data, type);
    out.finish();
    out.commit();
    return;
  }
  const auto beside = [&](const char* extension) {
    std::filesystem::path path = parts.stem;
    path += text(extension, parts.gz ? ".gz" : "");
    return path;
  };
  OutputFile image(beside(".img"), parts.gz), out(beside(".hdr"), parts.gz);
  write_values(image, name, data, type);
  out.write(head);
  image.finish();
  out.finish();
  image.commit();
  out.commit();
}

}  // namespace

void write_image(const std::filesystem::path& file, const Geometry& geometry, std::span<const float> data,
                 VoxelType type) {
  write_any(file, geometry, data, type);
}

void write_image(const std::filesystem::path& file, const Geometry& geometry,
                 std::span<const std::uint8_t> data) {
  write_any(file, geometry, data, VoxelType::u8);
}

}  // namespace duet
