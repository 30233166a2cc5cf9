#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <limits>
#include <png.h>

#include "io/pictures/overlay.h"
#include "tests/io/temporary_folder.h"

using namespace duet;
using namespace duet::testing;

namespace {

Picture read_png(const std::string& bytes) {
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) != 0);
  image.format = PNG_FORMAT_RGB;
  Picture picture(static_cast<int>(image.width), static_cast<int>(image.height), {0, 0, 0});
  REQUIRE(png_image_finish_read(&image, nullptr, picture.rgb.data(), 0, nullptr) != 0);
  return picture;
}

// A bright ellipsoid with a smaller one in it, noise-free texture around, uncertainty at the borders.
struct Phantom {
  Triple size;
  std::vector<float> image, uncertainty;
  std::vector<std::uint8_t> segmentation;

  explicit Phantom(Triple size_) : size(size_) {
    for (Index d = 0; d < size[0]; ++d) {
      for (Index h = 0; h < size[1]; ++h) {
        for (Index w = 0; w < size[2]; ++w) {
          const double z = (d + 0.5) / size[0] - 0.5, y = (h + 0.5) / size[1] - 0.4,
                       x = (w + 0.5) / size[2] - 0.6;
          const double radius = std::sqrt(z * z + y * y + x * x) / 0.3;
          const int label = radius < 0.5 ? 2 : radius < 1 ? 1 : 0;
          segmentation.push_back(static_cast<std::uint8_t>(label));
          image.push_back(static_cast<float>(100 + 60 * label + 20 * std::sin(w * 0.7) * std::cos(h * 0.5)));
          uncertainty.push_back(static_cast<float>(std::exp(-60 * (radius - 1) * (radius - 1))));
        }
      }
    }
  }
  OverlayInput input(bool with_uncertainty) const {
    OverlayInput in;
    in.size = size;
    in.image = image;
    in.segmentation = segmentation;
    if (with_uncertainty) in.uncertainty = uncertainty;
    return in;
  }
};

}  // namespace

TEST_CASE("a PNG reads back as it was written; the same picture gives the same bytes") {
  const TemporaryFolder folder;
  Picture picture(7, 5, {1, 2, 3});
  picture.set(6, 4, {255, 0, 128});
  write_png(folder / "a.png", picture);
  write_png(folder / "b.png", picture);
  CHECK(contents_of(folder / "a.png") == contents_of(folder / "b.png"));
  const Picture again = read_png(contents_of(folder / "a.png"));
  CHECK(again.width == 7);
  CHECK(again.height == 5);
  CHECK(again.rgb == picture.rgb);
  CHECK(again.at(6, 4) == Colour{255, 0, 128});
  expect_error(caught([&] { write_png("/nowhere/a.png", picture); }), ExitCode::filesystem,
               {"/nowhere/a.png"});
  expect_error(caught([&] { write_png("/dev/full", picture); }), ExitCode::filesystem, {"/dev/full"});
  CHECK_THROWS_AS(Picture(0, 5, {}), EngineError);
  CHECK_THROWS_AS(write_png(folder / "c.png", Picture()), EngineError);
}

TEST_CASE("three planes, the uncertainty below, at the voxels' aspect") {
  const Phantom phantom({20, 48, 40});
  OverlayInput in = phantom.input(true);
  in.spacing = {2.5, 1.0, 1.25};  // 50 x 48 x 50
  const Picture picture = overlay_planes(in);
  CHECK(picture.width > 3 * 256);
  CHECK(picture.height > 2 * 256);
  CHECK(picture.width < 3 * 300);
  in.uncertainty = {};
  CHECK(overlay_planes(in).height == (picture.height + 6) / 2);
  // The centre of the first plane's segmentation shows class 2's colour on its outline, class 1's around.
  int of_class[3] = {0, 0, 0};
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      for (int label : {1, 2}) of_class[label] += picture.at(x, y) == class_colour(label);
    }
  }
  CHECK(of_class[1] > 500);
  CHECK(of_class[2] > 300);
  if (const char* keep = std::getenv("DUET_TEST_PICTURE")) write_png(keep, picture);
}

TEST_CASE("higher indices are upwards and to the right") {
  OverlayInput in;
  in.size = {1, 2, 2};
  const std::vector<float> image = {0, 10, 20, 30};  // (h, w): 00 01 10 11
  const std::vector<std::uint8_t> none(4, 0);
  in.image = image;
  in.segmentation = none;
  const Picture picture = overlay_planes(in);
  CHECK(picture.width == picture.height);  // one plane only
  const int low = 20, high = picture.width - 20;
  CHECK(picture.at(low, high)[0] == 0);
  CHECK(picture.at(high, high)[0] == 85);
  CHECK(picture.at(low, low)[0] == 170);
  CHECK(picture.at(high, low)[0] == 255);
}

TEST_CASE("odd inputs neither crash nor make huge pictures") {
  const float bad = std::numeric_limits<float>::quiet_NaN();
  const Triple sizes[] = {{1, 1, 1}, {1, 1, 9}, {1, 40, 30}, {2, 500, 500}, {300, 2, 2}, {5, 1, 7}};
  for (const Triple& size : sizes) {
    const Phantom phantom(size);
    for (double spacing : {1.0, -1.0, 1e-9, std::numeric_limits<double>::infinity()}) {
      OverlayInput in = phantom.input(true);
      in.spacing[0] = spacing;
      const Picture picture = overlay_planes(in);
      CHECK(picture.width >= 13);
      CHECK(picture.width <= 3 * 1024 + 24);
      CHECK(picture.height <= 2 * 1024 + 18);
    }
  }
  const Phantom phantom({4, 4, 4});
  const std::vector<float> constant(64, 3), broken(64, bad);
  OverlayInput in = phantom.input(false);
  for (const auto* image : {&constant, &broken}) {
    in.image = *image;
    in.uncertainty = *image;
    overlay_planes(in);
  }
  in.image = std::span<const float>(constant).subspan(1);
  CHECK_THROWS_AS(overlay_planes(in), EngineError);
}

TEST_CASE("the heat map's colours run from black to nearly white") {
  CHECK(heat_colour(0) == Colour{0, 0, 0});
  CHECK(heat_colour(-5) == Colour{0, 0, 0});
  CHECK(heat_colour(1) == Colour{255, 255, 230});
  CHECK(heat_colour(9) == Colour{255, 255, 230});
  CHECK(heat_colour(std::nan("")) == Colour{0, 0, 0});
  CHECK(class_colour(1) != class_colour(2));
  CHECK(class_colour(1) == class_colour(8));
}
