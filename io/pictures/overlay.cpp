#include "io/pictures/overlay.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/core/errors.h"

namespace duet {
namespace {

constexpr double kShortSide = 256;  // pixels, wanted of every plane's shorter side
constexpr double kLongSide = 1024;  // pixels, at most of any side; wins
constexpr int kMargin = 6;
constexpr double kFill = 0.3;  // how much of a class's colour lies over the grey
constexpr Colour kBackground = {24, 24, 28};

// A plane across `fixed`: picture rows along one axis (upwards), columns along another (to the right).
struct Plane {
  std::size_t fixed, row_axis, column_axis;
  int width = 0, height = 0;  // pixels
};

struct Window {
  double low, high;
};

Index voxel_at(const Triple& size, const Triple& at) { return (at[0] * size[1] + at[1]) * size[2] + at[2]; }

Window percentile_window(std::span<const float> image) {
  // A million values spread over the image say the percentiles well enough.
  const std::size_t stride = std::max<std::size_t>(1, image.size() / 1'000'000);
  std::vector<float> sample;
  for (std::size_t i = 0; i < image.size(); i += stride) {
    if (std::isfinite(image[i])) sample.push_back(image[i]);
  }
  if (sample.empty()) return {0, 1};
  const auto percentile = [&](double p) {
    const auto at = sample.begin() + std::llround(p * static_cast<double>(sample.size() - 1));
    std::nth_element(sample.begin(), at, sample.end());
    return static_cast<double>(*at);
  };
  Window window = {percentile(0.01), percentile(0.99)};
  if (window.low >= window.high) window = {percentile(0), percentile(1)};
  return window;
}

// The voxel at the centre of mass of what is not background.
Triple centre_of(const OverlayInput& in) {
  const std::span<const std::uint8_t> labels = in.cut_through.empty() ? in.segmentation : in.cut_through;
  double count = 0, sum[3] = {0, 0, 0};
  std::size_t i = 0;
  for (Index d = 0; d < in.size[0]; ++d) {
    for (Index h = 0; h < in.size[1]; ++h) {
      for (Index w = 0; w < in.size[2]; ++w, ++i) {
        if (labels[i] == 0) continue;
        count += 1;
        sum[0] += static_cast<double>(d);
        sum[1] += static_cast<double>(h);
        sum[2] += static_cast<double>(w);
      }
    }
  }
  Triple centre = {in.size[0] / 2, in.size[1] / 2, in.size[2] / 2};
  for (std::size_t axis = 0; axis < 3 && count > 0; ++axis) centre[axis] = std::llround(sum[axis] / count);
  return centre;
}

std::vector<Plane> planes_of(const OverlayInput& in) {
  std::array<double, 3> length{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double spacing = in.spacing[axis];
    length[axis] =
        static_cast<double>(in.size[axis]) * (std::isfinite(spacing) && spacing > 0 ? spacing : 1.0);
  }
  std::vector<Plane> planes;
  for (const Plane plane : {Plane{0, 1, 2}, Plane{1, 0, 2}, Plane{2, 0, 1}}) {
    if (in.size[plane.row_axis] > 1 && in.size[plane.column_axis] > 1) planes.push_back(plane);
  }
  if (planes.empty()) planes.push_back({0, 1, 2});  // a line or a single voxel
  double shortest = INFINITY, longest = 0;
  for (const Plane& plane : planes) {
    shortest = std::min({shortest, length[plane.row_axis], length[plane.column_axis]});
    longest = std::max({longest, length[plane.row_axis], length[plane.column_axis]});
  }
  const double scale = std::min(kShortSide / shortest, kLongSide / longest);  // pixels a unit of spacing
  const auto pixels = [&](double side) {
    return static_cast<int>(std::clamp(side * scale + 0.5, 1.0, kLongSide));
  };
  for (Plane& plane : planes) {
    plane.width = pixels(length[plane.column_axis]);
    plane.height = pixels(length[plane.row_axis]);
  }
  return planes;
}

// The nearest voxel of each pixel of a plane, row by row.
std::vector<Index> sample_plane(const OverlayInput& in, const Plane& plane, const Triple& centre) {
  std::vector<Index> voxels;
  voxels.reserve(static_cast<std::size_t>(plane.width) * static_cast<std::size_t>(plane.height));
  Triple at = centre;
  for (int y = 0; y < plane.height; ++y) {
    const Index rows = in.size[plane.row_axis], columns = in.size[plane.column_axis];
    at[plane.row_axis] = (plane.height - 1 - y) * rows / plane.height;
    for (int x = 0; x < plane.width; ++x) {
      at[plane.column_axis] = x * columns / plane.width;
      voxels.push_back(voxel_at(in.size, at));
    }
  }
  return voxels;
}

// The voxel under pixel (x, y), of what sample_plane gives.
std::size_t at(const std::vector<Index>& voxels, const Plane& plane, int x, int y) {
  const Index pixel = Index{y} * plane.width + x;
  return static_cast<std::size_t>(voxels[static_cast<std::size_t>(pixel)]);
}

// Whether pixel (x, y) lies on the inner edge of its class.
bool on_outline(const OverlayInput& in, const Plane& plane, const std::vector<Index>& voxels, int x, int y) {
  const auto class_at = [&](int px, int py) {
    const int cx = std::clamp(px, 0, plane.width - 1), cy = std::clamp(py, 0, plane.height - 1);
    return in.segmentation[at(voxels, plane, cx, cy)];
  };
  const std::uint8_t own = class_at(x, y);
  if (own == 0) return false;
  for (int reach = 1; reach <= 2; ++reach) {
    if (class_at(x - reach, y) != own || class_at(x + reach, y) != own || class_at(x, y - reach) != own ||
        class_at(x, y + reach) != own) {
      return true;
    }
  }
  return false;
}

std::uint8_t to_byte(double value) {  // 0..1
  return static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
}

Colour blend(Colour under, Colour over, double amount) {
  Colour mixed{};
  for (std::size_t c = 0; c < 3; ++c) mixed[c] = to_byte((under[c] * (1 - amount) + over[c] * amount) / 255);
  return mixed;
}

Colour grey_of(float value, const Window& window) {
  if (!std::isfinite(value)) return {0, 0, 0};
  const double range = window.high - window.low;
  const std::uint8_t grey = to_byte(range > 0 ? (value - window.low) / range : 0.5);
  return {grey, grey, grey};
}

void check(const OverlayInput& in) {
  const Index voxels = checked_elements({1, in.size[0], in.size[1], in.size[2], 1});
  const auto fits = [&](std::size_t count) { return static_cast<Index>(count) == voxels; };
  DUET_CHECK(fits(in.image.size()) && fits(in.segmentation.size()) &&
                 (in.uncertainty.empty() || fits(in.uncertainty.size())) &&
                 (in.cut_through.empty() || fits(in.cut_through.size())),
             "overlay: ", voxels, " voxels, image ", in.image.size(), ", segmentation ",
             in.segmentation.size(), ", uncertainty ", in.uncertainty.size());
}

double brightest(const OverlayInput& in) {
  if (std::isfinite(in.uncertainty_max) && in.uncertainty_max > 0) return in.uncertainty_max;
  double largest = 0;
  for (float value : in.uncertainty) {
    if (std::isfinite(value)) largest = std::max(largest, static_cast<double>(value));
  }
  return largest > 0 ? largest : 1;
}

}  // namespace

Colour class_colour(int index) {
  constexpr Colour kColours[] = {{230, 75, 53},   {77, 187, 213}, {240, 200, 60}, {120, 200, 90},
                                 {180, 110, 220}, {245, 150, 60}, {240, 130, 180}};
  return kColours[static_cast<std::size_t>(std::max(0, index - 1)) % std::size(kColours)];
}

Colour heat_colour(double value) {
  constexpr Colour kStops[] = {{0, 0, 0}, {80, 18, 123}, {200, 50, 60}, {250, 180, 40}, {255, 255, 230}};
  const double at = (std::isfinite(value) ? std::clamp(value, 0.0, 1.0) : 0.0) * (std::size(kStops) - 1);
  const std::size_t stop = std::min<std::size_t>(static_cast<std::size_t>(at), std::size(kStops) - 2);
  return blend(kStops[stop], kStops[stop + 1], at - static_cast<double>(stop));
}

Picture overlay_planes(const OverlayInput& in) {
  check(in);
  const Window window = percentile_window(in.image);
  const Triple centre = centre_of(in);
  const std::vector<Plane> planes = planes_of(in);
  int width = kMargin, row_height = 0;
  for (const Plane& plane : planes) {
    width += plane.width + kMargin;
    row_height = std::max(row_height, plane.height);
  }
  const int rows = in.uncertainty.empty() ? 1 : 2;
  Picture picture(width, kMargin + rows * (row_height + kMargin), kBackground);
  const double heat_range = rows == 2 ? brightest(in) : 1;
  int left = kMargin;
  for (const Plane& plane : planes) {
    const std::vector<Index> voxels = sample_plane(in, plane, centre);
    for (int y = 0; y < plane.height; ++y) {
      for (int x = 0; x < plane.width; ++x) {
        const std::size_t voxel = at(voxels, plane, x, y);
        const int label = in.segmentation[voxel];
        const bool outline = on_outline(in, plane, voxels, x, y);
        Colour colour = grey_of(in.image[voxel], window);
        if (label > 0) colour = blend(colour, class_colour(label), outline ? 1.0 : kFill);
        picture.set(left + x, kMargin + y, colour);
        if (rows == 1) continue;
        Colour heat = heat_colour(in.uncertainty[voxel] / heat_range);
        if (outline) heat = blend(heat, class_colour(label), 0.35);
        picture.set(left + x, 2 * kMargin + row_height + y, heat);
      }
    }
    left += plane.width + kMargin;
  }
  return picture;
}

}  // namespace duet
