#include "cotrain/data/warp.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace duet {
namespace {

// The image inside its padded form, along one axis.
struct Axis {
  float last, extent;
  Index size, stride;
};

// The case from the image's first voxel on.
struct Source {
  Axis d, h, w;
  const float* image;
  const std::uint8_t* labels;  // null: none asked for
};

Source source_of(const LoadedCase& from, bool with_labels) {
  const PadFrame& frame = from.frame;
  const Triple stride = {frame.size[1] * frame.size[2], frame.size[2], 1};
  auto axis = [&](std::size_t a) {
    return Axis{static_cast<float>(frame.extent[a] - 1), static_cast<float>(frame.extent[a]), frame.extent[a],
                stride[a]};
  };
  const Index first = frame.offset[0] * stride[0] + frame.offset[1] * stride[1] + frame.offset[2];
  return {axis(0), axis(1), axis(2), from.image.data() + first,
          with_labels ? from.labels.data() + first : nullptr};
}

// The neighbours of a place along an axis, and how much of the second.
struct Between {
  Index at, step;
  float part;
  Between(float place, const Axis& axis) {
    const float inside = std::min(std::max(0.0f, place), axis.last);  // 0 for NaN
    const auto whole = static_cast<Index>(inside);
    part = inside - static_cast<float>(whole);
    at = whole * axis.stride;
    step = whole + 1 < axis.size ? axis.stride : 0;
  }
};

float mix(float a, float b, float part) { return a + part * (b - a); }

float trilinear(const float* voxels, const Between& d, const Between& h, const Between& w) {
  const float* v = voxels + d.at + h.at + w.at;
  const float* next = v + d.step;
  const float front = mix(mix(v[0], v[w.step], w.part), mix(v[h.step], v[h.step + w.step], w.part), h.part);
  const float back =
      mix(mix(next[0], next[w.step], w.part), mix(next[h.step], next[h.step + w.step], w.part), h.part);
  return mix(front, back, d.part);
}

// A row of the patch from the places of its voxels in the image.
void sample_row(const Source& from, const std::array<float*, 3>& places, Index width, const Placement& place,
                float* image, float* valid, std::uint8_t* labels) {
  for (Index i = 0; i < width; ++i) {
    const float d = places[0][i], h = places[1][i], w = places[2][i];
    const float near_d = d + 0.5f, near_h = h + 0.5f, near_w = w + 0.5f;
    const bool inside = near_d >= 0 && near_d < from.d.extent && near_h >= 0 && near_h < from.h.extent &&
                        near_w >= 0 && near_w < from.w.extent;
    valid[i] = inside ? 1.0f : 0.0f;
    image[i] = 0;
    if (from.labels) labels[i] = 0;
    if (!inside) continue;
    const float value = trilinear(from.image, {d, from.d}, {h, from.h}, {w, from.w});
    image[i] = value * place.factor + place.offset;
    if (from.labels) {
      labels[i] = from.labels[static_cast<Index>(near_d) * from.d.stride +
                              static_cast<Index>(near_h) * from.h.stride + static_cast<Index>(near_w)];
    }
  }
}

}  // namespace

bool Warp::identity() const { return field.values.empty() && matrix == Warp{}.matrix; }

Matrix3 warp_matrix(const std::array<double, 3>& degrees, const std::array<double, 3>& factor,
                    const std::array<double, 3>& spacing) {
  Matrix3 m = Warp{}.matrix;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double angle = degrees[axis] * std::numbers::pi / 180.0, c = std::cos(angle), s = std::sin(angle);
    const std::size_t i = (axis + 1) % 3, j = (axis + 2) % 3;
    const auto row_i = m[i], row_j = m[j];
    for (std::size_t k = 0; k < 3; ++k) {
      m[i][k] = c * row_i[k] - s * row_j[k];
      m[j][k] = s * row_i[k] + c * row_j[k];
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) m[i][j] *= spacing[j] / spacing[i] / factor[j];
  }
  return m;
}

Warp draw_warp(const AugmentConfig& config, std::uint64_t seed, std::uint32_t step, std::uint32_t sample,
               const Triple& patch, const std::array<double, 3>& spacing) {
  const PhiloxKey key{seed, Stream::warp, 0, 0, step, 0}, nodes{seed, Stream::warp, 0, 1, step, 0};
  auto spread = [&](std::uint64_t draw) { return 2.0 * draw_uniform(key, sample, draw) - 1.0; };
  auto happens = [&](std::uint64_t draw) { return draw_uniform(key, sample, draw) < config.probability; };
  Warp warp;
  std::array<double, 3> degrees{}, factor = {1, 1, 1};
  const bool turned = config.rotate > 0 && happens(8);
  const bool scaled = (config.scale > 0 || config.stretch > 0) && happens(9);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (turned && (axis == 0 || patch[0] > 1)) degrees[axis] = config.rotate * spread(axis);
    if (!scaled) continue;
    factor[axis] = std::pow(1 + config.scale, spread(3)) * std::pow(1 + config.stretch, spread(4 + axis));
  }
  if (turned || scaled) warp.matrix = warp_matrix(degrees, factor, spacing);
  if (config.elastic > 0 && happens(10)) warp.field = draw_field(config.elastic, nodes, sample, patch);
  return warp;
}

void warp_patch(const LoadedCase& from, const Placement& place, const Warp& warp, const Triple& patch,
                float* image, float* valid, std::uint8_t* labels) {
  const Source source = source_of(from, labels != nullptr);
  const Index width = patch[2];
  std::vector<float> rows(static_cast<std::size_t>(3 * width));
  const std::array<float*, 3> places = {rows.data(), rows.data() + width, rows.data() + 2 * width};
  const bool bent = !warp.field.values.empty();
  FieldRows field(warp.field);
  auto from_middle = [&](std::size_t axis, Index i) {
    return static_cast<double>(i) - static_cast<double>(patch[axis] - 1) / 2;
  };
  for (Index d = 0; d < patch[0]; ++d) {
    const Index at_d = place.flip[0] ? patch[0] - 1 - d : d;
    if (bent) field.to_plane(at_d);
    for (Index h = 0; h < patch[1]; ++h, image += width, valid += width) {
      const Index at_h = place.flip[1] ? patch[1] - 1 - h : h;
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const auto& m = warp.matrix[axis];
        const double centre =
            static_cast<double>(place.corner[axis] - from.frame.offset[axis]) - from_middle(axis, 0);
        const auto start = static_cast<float>(centre + m[0] * from_middle(0, at_d) +
                                              m[1] * from_middle(1, at_h) + m[2] * from_middle(2, 0));
        const auto step = static_cast<float>(m[2]);
        for (Index w = 0; w < width; ++w) places[axis][w] = start + step * static_cast<float>(w);
      }
      if (bent) {
        field.to_row(at_h);
        field.add(width, places);
      }
      sample_row(source, places, width, place, image, valid, labels);
      if (place.flip[2]) {
        std::reverse(image, image + width);
        std::reverse(valid, valid + width);
        if (labels) std::reverse(labels, labels + width);
      }
      if (labels) labels += width;
    }
  }
}

}  // namespace duet
