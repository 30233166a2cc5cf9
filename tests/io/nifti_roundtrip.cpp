// Reading of every type, byte order and version from raw bytes, and writing back under the same header.
#include <cmath>

#include "tests/io/nifti_support.h"

using namespace duet;
using namespace duet::testing;

namespace {

std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return values;
}

template <class T>
void read_all_ways(std::int16_t datatype) {
  const TemporaryFolder folder;
  for (const int version : {1, 2}) {
    for (const bool big : {false, true}) {
      for (const bool scaled : {false, true}) {
        CAPTURE(datatype);
        CAPTURE(version);
        CAPTURE(big);
        const float slope = scaled ? 2.5f : 0.0f,
                    inter = scaled ? -3.0f : 99.0f;  // with slope 0 nothing is scaled
        const RawNifti raw = version == 1 ? raw_nifti1<T>(datatype, big, slope, inter)
                                          : raw_nifti2<T>(datatype, big, slope, inter);
        save(folder / "x.nii", raw.bytes);
        const Image image = read_image(folder / "x.nii");
        const ImageInfo info = read_header(folder / "x.nii");
        CHECK(info.version == version);
        CHECK(info.big_endian == big);
        CHECK(info.scaled == scaled);
        CHECK(image.size == Triple{2, 3, 4});
        CHECK(image.is_integer == (std::is_integral_v<T> && !scaled));
        auto expected = ramp(24);
        if (scaled) {
          for (float& v : expected) v = 2.5f * v - 3.0f;
        }
        CHECK(image.data == expected);
      }
    }
  }
}

// An oblique, left-handed geometry with values of its own in every field, so that a lost one shows.
StoredHeader full_header(int version) {
  StoredHeader s;
  s.version = version;
  s.dim = {3, 4, 3, 2, 1, 1, 1, 1};
  s.pixdim = {-1, 0.5, 1.25, 3, 2, 1, 1, 1};
  s.qform_code = 1;
  s.sform_code = 4;
  s.quaternion = {0.125, -0.25, 0.5};
  s.offset = {-10.5, 20.25, 30};
  s.srow = {{{-0.5, 0.125, 0, -11}, {0, 1.25, 0.5, 21}, {0.0625, 0, 3, 31}}};
  s.xyzt_units = 10;
  return s;
}

void put_stored(RawNifti& raw, const StoredHeader& s) {
  const bool one = s.version == 1;
  const auto real = [&](std::size_t at1, std::size_t at2, std::size_t i, double v) {
    if (one) raw.put<float>(at1 + 4 * i, static_cast<float>(v));
    if (!one) raw.put<double>(at2 + 8 * i, v);
  };
  for (std::size_t i = 0; i < 8; ++i) real(76, 104, i, s.pixdim[i]);
  for (std::size_t i = 0; i < 3; ++i) real(256, 352, i, s.quaternion[i]);
  for (std::size_t i = 0; i < 3; ++i) real(268, 376, i, s.offset[i]);
  for (std::size_t i = 0; i < 12; ++i) real(280, 400, i, s.srow[i / 4][i % 4]);
  if (one) {
    raw.put<std::int16_t>(252, static_cast<std::int16_t>(s.qform_code));
    raw.put<std::int16_t>(254, static_cast<std::int16_t>(s.sform_code));
    raw.put<char>(123, static_cast<char>(s.xyzt_units));
  } else {
    raw.put<std::int32_t>(344, s.qform_code);
    raw.put<std::int32_t>(348, s.sform_code);
    raw.put<std::int32_t>(500, s.xyzt_units);
  }
}

}  // namespace

TEST_CASE("nifti: all types, both byte orders, both versions, with and without scaling") {
  read_all_ways<std::uint8_t>(2);
  read_all_ways<std::int16_t>(4);
  read_all_ways<std::int32_t>(8);
  read_all_ways<float>(16);
  read_all_ways<double>(64);
  read_all_ways<std::int8_t>(256);
  read_all_ways<std::uint16_t>(512);
  read_all_ways<std::uint32_t>(768);
  read_all_ways<std::int64_t>(1024);
  read_all_ways<std::uint64_t>(1280);
}

TEST_CASE("nifti: written files have the input's header values, in every version, container and type") {
  const TemporaryFolder folder;
  const VoxelType types[] = {VoxelType::u8,  VoxelType::i8,  VoxelType::u16, VoxelType::i16, VoxelType::u32,
                             VoxelType::i32, VoxelType::u64, VoxelType::i64, VoxelType::f32, VoxelType::f64};
  int cases = 0;
  for (const int version : {1, 2}) {
    for (const bool big : {false, true}) {
      RawNifti raw = version == 1 ? raw_nifti1<std::int16_t>(4, big) : raw_nifti2<std::int16_t>(4, big);
      put_stored(raw, full_header(version));
      save(folder / "in.nii", raw.bytes);
      const Image input = read_image(folder / "in.nii");
      REQUIRE(input.geometry.stored == full_header(version));
      REQUIRE(input.affine.m[0] == full_header(version).srow[0]);  // sform before qform
      for (const bool ras : {false, true}) {
        const Image source = read_image(folder / "in.nii", {.reorient_to_ras = ras});
        REQUIRE((source.data == input.data) == !ras);
        for (const char* extension : {".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"}) {
          const bool pair = extension[1] != 'n';  // every type once, as a single file
          for (const VoxelType type : types) {
            if (pair && type != VoxelType::i16 && type != VoxelType::f32) continue;
            CAPTURE(extension);
            CAPTURE(static_cast<int>(type));
            const auto file = folder / (std::string("out") + extension);
            write_image(file, source.geometry, source.data, type);
            const Image back = read_image(file);
            CHECK(back.data == input.data);
            CHECK(back.datatype == type);
            CHECK(back.geometry.stored == input.geometry.stored);
            CHECK(back.affine == input.affine);
            ++cases;
          }
        }
      }
    }
  }
  CHECK(folder.files() == 1 + 2 + 4);  // in.nii, two single files, two pairs
  MESSAGE(cases << " round trips");
}

TEST_CASE("nifti: labels are written as uint8 and come back exactly") {
  const TemporaryFolder folder;
  const Geometry geometry = make_geometry({2, 3, 4}, std::array<double, 3>{1, 1, 2});
  std::vector<std::uint8_t> labels(24);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::uint8_t>(i % 3);
  write_image(folder / "l.nii.gz", geometry, labels);
  const Image back = read_image(folder / "l.nii.gz");
  CHECK(back.datatype == VoxelType::u8);
  CHECK(labels_of(back, 3) == labels);
  CHECK(back.geometry.stored == geometry.stored);
  CHECK(back.affine == geometry.affine);
  const Bytes raw = load(folder / "l.nii.gz");
  CHECK(raw[0] == 0x1f);
  write_image(folder / "m.nii.gz", geometry, labels);
  CHECK(load(folder / "m.nii.gz") == raw);  // no time stamp: equal runs give equal bytes
}

TEST_CASE("nifti: dim keeps trailing ones of a single channel, is 3D for one channel of many, 4D for many") {
  const TemporaryFolder folder;
  RawNifti raw = raw_nifti1<std::uint8_t>(2);
  raw.put<std::int16_t>(40, 4);
  save(folder / "one.nii", raw.bytes);  // 4 x 3 x 2 x 1
  const Image one = read_image(folder / "one.nii");
  CHECK(one.channels == 1);
  write_image(folder / "out.nii", one.geometry, one.data);
  CHECK(read_header(folder / "out.nii").shape == std::vector<Index>{4, 3, 2, 1});
  raw.put<std::int16_t>(44, 1);
  raw.put<std::int16_t>(46, 2);
  raw.put<std::int16_t>(48, 3);
  save(folder / "many.nii", raw.bytes);  // 4 x 1 x 2 x 3
  const Image many = read_image(folder / "many.nii");
  CHECK(many.channels == 3);
  write_image(folder / "out.nii", many.geometry, std::span<const float>(many.data).first(8));
  CHECK(read_header(folder / "out.nii").shape == std::vector<Index>{4, 1, 2});
  write_image(folder / "out.nii", many.geometry, many.data);
  CHECK(read_header(folder / "out.nii").shape == std::vector<Index>{4, 1, 2, 3});
  CHECK(read_image(folder / "out.nii").data == many.data);
}

TEST_CASE("nifti: affines by sform, qform and method 1") {
  const TemporaryFolder folder;
  RawNifti raw = raw_nifti1<std::uint8_t>(2);
  put_stored(raw, full_header(1));
  raw.put<std::int16_t>(254, 0);
  save(folder / "q.nii", raw.bytes);
  // Rotation of the quaternion (a, b, c, d) by the standard's formula, times spacing, third column times
  // qfac.
  const double b = 0.125, c = -0.25, d = 0.5, a = std::sqrt(1 - b * b - c * c - d * d);
  const ImageInfo q = read_header(folder / "q.nii");
  CHECK(q.affine_source == "qform");
  CHECK(q.geometry.affine.m[0][0] == doctest::Approx((a * a + b * b - c * c - d * d) * 0.5).epsilon(1e-6));
  CHECK(q.geometry.affine.m[1][2] == doctest::Approx(-2 * (c * d - a * b) * 3).epsilon(1e-6));
  CHECK(q.geometry.affine.m[2][3] == 30);
  raw.put<std::int16_t>(252, 0);
  save(folder / "m.nii", raw.bytes);
  const ImageInfo m = read_header(folder / "m.nii");
  CHECK(m.affine_source == "method 1");
  CHECK(m.geometry.affine.m[0] == std::array<double, 4>{0.5, 0, 0, 0});
  CHECK(m.geometry.affine.m[2] == std::array<double, 4>{0, 0, 3, 0});
  CHECK(m.geometry.spacing == std::array<double, 3>{3, 1.25, 0.5});
  CHECK(m.spatial_unit == "mm");
}
