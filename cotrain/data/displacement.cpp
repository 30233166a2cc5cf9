#include "cotrain/data/displacement.h"

#include <algorithm>
#include <cmath>

namespace duet {

DisplacementField draw_field(double deviation, const PhiloxKey& key, std::uint32_t sample,
                             const Triple& patch) {
  // Between independent nodes, splines keep 151/315 of the variance along each axis, in the mean over a cell.
  double kept = 1;
  DisplacementField field;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const bool lone_slice = axis == 0 && patch[0] == 1;
    field.nodes[axis] = lone_slice ? 1 : (patch[axis] - 1) / kFieldCell + 4;
    if (!lone_slice) kept *= 151.0 / 315.0;
  }
  const double each = deviation / std::sqrt(kept);
  field.values.resize(static_cast<std::size_t>(field.nodes[0] * field.nodes[1] * field.nodes[2] * 3));
  for (std::size_t i = 0; i < field.values.size(); ++i) {
    field.values[i] = static_cast<float>(each * draw_normal(key, sample, i));
  }
  return field;
}

FieldRows::FieldRows(const DisplacementField& field)
    : field_(field),
      lone_slice_(field.nodes[0] == 1),
      plane_(static_cast<std::size_t>(field.nodes[1] * field.nodes[2] * 3)),
      row_(static_cast<std::size_t>(field.nodes[2] * 3)) {
  for (std::size_t i = 0; i < kFieldCell; ++i) {
    const float t = static_cast<float>(i) / kFieldCell, s = 1 - t;
    weights_[0][i] = s * s * s / 6;
    weights_[1][i] = (3 * t * t * t - 6 * t * t + 4) / 6;
    weights_[2][i] = (3 * s * s * s - 6 * s * s + 4) / 6;
    weights_[3][i] = t * t * t / 6;
  }
}

// The four slices of `from` that voxel `i` sees, each as large as `to`, weighed and summed.
void FieldRows::blend(const std::vector<float>& from, Index i, std::vector<float>& to) const {
  const std::size_t count = to.size(), place = static_cast<std::size_t>(i % kFieldCell);
  const float* at = from.data() + static_cast<std::size_t>(i / kFieldCell) * count;
  for (std::size_t n = 0; n < count; ++n) {
    to[n] = at[n] * weights_[0][place] + at[n + count] * weights_[1][place] +
            at[n + 2 * count] * weights_[2][place] + at[n + 3 * count] * weights_[3][place];
  }
}

void FieldRows::to_plane(Index d) {
  if (lone_slice_) {
    plane_ = field_.values;
  } else {
    blend(field_.values, d, plane_);
  }
}

void FieldRows::to_row(Index h) { blend(plane_, h, row_); }

void FieldRows::add(Index width, const std::array<float*, 3>& to) const {
  for (std::size_t axis = lone_slice_ ? 1 : 0; axis < 3; ++axis) {
    const float* node = row_.data() + axis;
    for (Index cell = 0; cell < width; cell += kFieldCell, node += 3) {
      const float a = node[0], b = node[3], c = node[6], d = node[9];
      float* out = to[axis] + cell;
      const Index end = std::min(kFieldCell, width - cell);
      for (Index i = 0; i < end; ++i) {
        out[i] += a * weights_[0][i] + b * weights_[1][i] + c * weights_[2][i] + d * weights_[3][i];
      }
    }
  }
}

}  // namespace duet
