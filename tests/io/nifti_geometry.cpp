// Orientation, geometry comparison, labels and checks of values.
#include <cmath>
#include <limits>

#include "tests/io/nifti_support.h"

using namespace duet;
using namespace duet::testing;

namespace {

Image numbered(const Triple& size) {
  Image image;
  image.file = "case.nii";
  image.geometry = make_geometry(size, std::array<double, 3>{2, 1, 0.5});
  image.size = size;
  image.data.resize(static_cast<std::size_t>(image.voxels()));
  for (std::size_t i = 0; i < image.data.size(); ++i) image.data[i] = static_cast<float>(i);
  return image;
}

// World coordinates of memory's voxel (i,j,k).
std::array<double, 3> world(const Affine& a, double i, double j, double k) {
  std::array<double, 3> out;
  for (int r = 0; r < 3; ++r) out[r] = a.m[r][0] * i + a.m[r][1] * j + a.m[r][2] * k + a.m[r][3];
  return out;
}

}  // namespace

TEST_CASE("nifti: all 48 orientations turn there and back, each voxel keeping its place in the world") {
  std::array<int, 3> axis = {0, 1, 2};
  int cases = 0;
  do {
    for (int flips = 0; flips < 8; ++flips, ++cases) {
      Affine affine;
      affine.m = {{{0, 0, 0, 3}, {0, 0, 0, -7}, {0, 0, 0, 11}, {0, 0, 0, 1}}};
      for (int world_axis = 0; world_axis < 3; ++world_axis) {
        affine.m[world_axis][axis[world_axis]] =
            (flips >> world_axis & 1 ? -1.0 : 1.0) * (1 + 0.5 * axis[world_axis]);
        affine.m[world_axis][(axis[world_axis] + 1) % 3] = 0.1;  // oblique
      }
      const Geometry stored = make_geometry({2, 3, 4}, affine);
      const Orientation o = orientation_to_ras(stored.affine);
      const Geometry ras = reoriented(stored, o);
      REQUIRE(axis_codes(ras.affine) == "RAS");
      std::vector<float> values(24);
      for (int i = 0; i < 24; ++i) values[i] = static_cast<float>(i);
      const auto turned = from_stored_order<float>(values, ras.size, 1, o);
      CHECK(to_stored_order<float>(turned, ras.size, 1, o) == values);
      for (Index k = 0; k < ras.size[0]; ++k) {
        for (Index j = 0; j < ras.size[1]; ++j) {
          for (Index i = 0; i < ras.size[2]; ++i) {
            const auto value = static_cast<Index>(turned[(k * ras.size[1] + j) * ras.size[2] + i]);
            const auto here = world(ras.affine, double(i), double(j), double(k));
            const auto there =
                world(stored.affine, double(value % 4), double(value / 4 % 3), double(value / 12));
            for (int r = 0; r < 3; ++r) REQUIRE(here[r] == doctest::Approx(there[r]).epsilon(1e-9));
          }
        }
      }
    }
  } while (std::next_permutation(axis.begin(), axis.end()));
  CHECK(cases == 48);
}

TEST_CASE("nifti: a single slice stays one along D, however it lies, and is written back as it was") {
  Affine sagittal, coronal, axial;
  sagittal.m = {{{0, 0, 3, 1}, {-1, 0.1, 0, 2}, {0, 1, 0, 3}, {0, 0, 0, 1}}};  // i P, j S, k R
  coronal.m = {{{-1, 0, 0, 1}, {0, 0, 3, 2}, {0, -1, 0.1, 3}, {0, 0, 0, 1}}};  // i L, j I, k A
  axial.m = {{{0, -1, 0, 1}, {1, 0, 0, 2}, {0, 0, -3, 3}, {0, 0, 0, 1}}};      // i A, j L, k I
  const TemporaryFolder folder;
  for (const Affine& affine : {sagittal, coronal, axial}) {
    INFO(axis_codes(affine));
    std::vector<float> values(12);
    for (int i = 0; i < 12; ++i) values[i] = static_cast<float>(i * i);
    const std::string file = (folder / "slice.nii").string(), again = (folder / "again.nii").string();
    write_image(file, make_geometry({1, 3, 4}, affine), std::span<const float>(values));
    const Image image = read_image(file, {.reorient_to_ras = true});
    CHECK(image.size[0] == 1);
    CHECK(image.size[1] * image.size[2] == 12);
    write_image(again, image.geometry, std::span<const float>(image.data));
    CHECK(contents_of(again) == contents_of(file));
  }
}

TEST_CASE("nifti: geometry_difference says which and by how much") {
  const Geometry a = numbered({4, 5, 6}).geometry;
  CHECK(!geometry_difference(a, a));
  Geometry b = make_geometry({4, 5, 7}, a.affine);
  CHECK(geometry_difference(a, b).value() == "shape (4,5,6) against (4,5,7)");
  Affine moved = a.affine;
  moved.m[1][3] += 2;
  const std::string offset = geometry_difference(a, make_geometry({4, 5, 6}, moved)).value();
  CHECK(offset == "affine: voxels lie up to 2 mm apart (element [1][3], offset along y: 0 against 2)");
  Affine stretched = a.affine;
  stretched.m[2][2] = 3;
  const std::string column = geometry_difference(a, make_geometry({4, 5, 6}, stretched)).value();
  CHECK(column ==
        "affine: voxels lie up to 3 mm apart (element [2][2], column of voxel axis k: 2 against 3)");
  // In mm, whatever unit the headers have: 1 m apart is no 1 mm, and one grid in m and in mm is one.
  Affine metres = a.affine;
  for (auto& row : metres.m) {
    for (double& value : row) value *= 1e-3;
  }
  Geometry in_metres = make_geometry({4, 5, 6}, metres);
  in_metres.stored.xyzt_units = 1;
  CHECK(!geometry_difference(a, in_metres));
  Geometry apart = in_metres;
  apart.affine.m[1][3] += 0.002;
  CHECK(geometry_difference(in_metres, apart).value().find("up to 2 mm apart") != std::string::npos);
  moved.m[1][3] = 0.005;
  CHECK(!geometry_difference(a, make_geometry({4, 5, 6}, moved)));
  CHECK(geometry_difference(a, make_geometry({4, 5, 6}, moved), 1e-3));
}

TEST_CASE("nifti: make_geometry sets both forms, drops the qform under shear, refuses singular affines") {
  const Geometry plain = make_geometry({4, 5, 6}, std::array<double, 3>{3, 0.7, 0.7});
  CHECK(plain.stored.version == 1);
  CHECK(plain.stored.dim == std::array<std::int64_t, 8>{3, 6, 5, 4, 1, 1, 1, 1});
  CHECK(plain.stored.qform_code == 1);
  CHECK(plain.spacing[0] == doctest::Approx(3));
  CHECK(plain.spacing[2] == doctest::Approx(0.7));
  Affine sheared;
  sheared.m[0][1] = 0.4;
  CHECK(make_geometry({4, 5, 6}, sheared).stored.qform_code == 0);
  CHECK(make_geometry({1, 1, 40000}, Affine{}).stored.version == 2);
  Affine singular;
  singular.m[2][2] = 0;
  CHECK(says(error_of([&] { make_geometry({4, 5, 6}, singular); }, ""), "singular"));
  error_of([&] { make_geometry({0, 5, 6}, Affine{}); }, "geometry");
}

TEST_CASE("nifti: labels are exact, and a bad one is named with its voxel") {
  Image image = numbered({1, 2, 2});
  CHECK(labels_of(image, 4) == std::vector<std::uint8_t>{0, 1, 2, 3});
  const Error high = error_of([&] { labels_of(image, 3); }, "case.nii");
  CHECK(high.code() == ExitCode::data);
  CHECK(says(high, "label 3 at voxel (1,1,0), expected an integer from 0 to 2"));
  image.data[2] = 1.5f;
  CHECK(says(error_of([&] { labels_of(image, 4); }, "case.nii"), "label 1.5 at voxel (0,1,0)"));
  image.data[2] = -1;
  CHECK(says(error_of([&] { labels_of(image, 4); }, "case.nii"), "label -1"));
  image.data[2] = std::numeric_limits<float>::quiet_NaN();
  error_of([&] { labels_of(image, 4); }, "case.nii");
  image.data[2] = 1.9999998f;  // a scaled file's rounding
  CHECK(labels_of(image, 4)[2] == 2);
}

TEST_CASE("nifti: values that are not finite are counted and named") {
  Image image = numbered({2, 2, 2});
  require_finite(image);
  image.data[3] = std::numeric_limits<float>::infinity();
  image.data[6] = std::numeric_limits<float>::quiet_NaN();
  CHECK(count_nonfinite(image.data).count == 2);
  CHECK(says(error_of([&] { require_finite(image); }, "case.nii"),
             "2 of 8 values are not finite, the first at voxel (1,1,0)"));
}

TEST_CASE("nifti: non-finite voxels and many channels are read, and refused on request") {
  const TemporaryFolder folder;
  RawNifti raw = raw_nifti1<float>(16);
  raw.put<float>(352 + 4 * 5, std::numeric_limits<float>::quiet_NaN());
  save(folder / "a.nii", raw.bytes);
  CHECK(says(error_of([&] { require_finite(read_image(folder / "a.nii")); }, "a.nii"), "1 of 24"));
  raw.put<std::int16_t>(40, 4);
  raw.put<std::int16_t>(46, 1);
  raw.put<std::int16_t>(48, 2);
  save(folder / "b.nii", raw.bytes);
  const Image image = read_image(folder / "b.nii");
  CHECK(image.channels == 2);
  CHECK(image.data.size() == 24);
  CHECK(says(error_of([&] { require_single_channel(image); }, "b.nii"), "expected one channel, found 2"));
}

TEST_CASE("nifti: blocks of voxels lie where the middle of their voxels does") {
  Affine affine;
  affine.m = {{{-1.5, 0.1, 0.2, 40}, {0.3, 2, 0.1, -7}, {0.1, 0.2, 3, 11}, {0, 0, 0, 1}}};  // oblique, LAS
  Geometry stored = make_geometry({9, 5, 8}, affine);
  stored.stored.xyzt_units = 3;  // um
  const Geometry whole = reoriented(stored, orientation_to_ras(stored.affine));
  const Geometry blocks = shrunk(whole, {2, 1, 3});
  CHECK(blocks.size == Triple{5, 5, 3});
  CHECK(blocks.spacing[0] == doctest::Approx(2 * whole.spacing[0]).epsilon(1e-12));
  CHECK(blocks.spacing[1] == doctest::Approx(whole.spacing[1]).epsilon(1e-12));
  CHECK(blocks.spacing[2] == doctest::Approx(3 * whole.spacing[2]).epsilon(1e-12));
  CHECK(axis_codes(blocks.affine) == "RAS");
  for (const auto& [k, j, i] : {Triple{0, 0, 0}, Triple{3, 4, 2}, Triple{4, 0, 1}}) {
    const auto here = world(blocks.affine, double(i), double(j), double(k));
    // i: the middle one of three voxels; k: between two.
    const auto there = world(whole.affine, 3 * double(i) + 1, double(j), 2 * double(k) + 0.5);
    for (int r = 0; r < 3; ++r) CHECK(here[r] == doctest::Approx(there[r]).epsilon(1e-12));
  }

  // It can be written: the file says the same, in the same unit.
  const TemporaryFolder folder;
  write_image(folder / "blocks.nii", blocks, std::vector<float>(75));
  const ImageInfo read = read_header(folder / "blocks.nii");
  CHECK(!geometry_difference(read.geometry, blocks));
  CHECK(read.spatial_unit == "um");

  const Geometry same = shrunk(whole, {1, 1, 1});
  CHECK((same.affine == whole.affine && same.size == whole.size && same.spacing == whole.spacing));
  CHECK((same.stored == whole.stored && same.orientation == whole.orientation));
  CHECK_THROWS_AS(shrunk(whole, {0, 1, 1}), EngineError);
}
