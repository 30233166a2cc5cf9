// Small label volumes for the metric tests.
#pragma once

#include <cstdint>
#include <vector>

#include "cotrain/metrics/class_metrics.h"
#include "engine/core/philox.h"

namespace duet::testing {

struct Volume {
  Triple size;
  std::vector<std::uint8_t> labels;
  explicit Volume(const Triple& s) : size(s), labels(s[0] * s[1] * s[2], 0) {}
  std::uint8_t& at(Index d, Index h, Index w) { return labels[(d * size[1] + h) * size[2] + w]; }
  // Fills begin <= position < begin + length.
  Volume& box(const Triple& begin, const Triple& length, std::uint8_t value = 1) {
    for (Index d = 0; d < length[0]; ++d) {
      for (Index h = 0; h < length[1]; ++h) {
        for (Index w = 0; w < length[2]; ++w) at(begin[0] + d, begin[1] + h, begin[2] + w) = value;
      }
    }
    return *this;
  }
};

inline ClassMetrics compare(const Volume& prediction, const Volume& reference,
                            const Spacing& spacing = {1, 1, 1}, std::uint8_t value = 1) {
  return evaluate_class(prediction.labels, reference.labels, reference.size, spacing, value);
}

inline Volume random_volume(const Triple& size, std::uint32_t sample, double share) {
  Volume v(size);
  for (std::size_t i = 0; i < v.labels.size(); ++i)
    v.labels[i] = draw_uniform({.seed = 5}, sample, i) < share;
  return v;
}

}  // namespace duet::testing
