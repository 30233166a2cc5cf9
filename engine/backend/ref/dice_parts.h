// Soft Dice from its sums, for dice.cpp and segmentation.cpp. sums (3, C): for each class sum w p t, sum w p,
// sum w t.
#pragma once

#include <vector>

#include "engine/kernels/loss.h"

namespace duet::ref {

// The first class that counts; throws EngineError where none does.
Index first_class(const DiceSpec& spec, Index channels);

// Mean over the classes that count of 1 - (2 I + eps) / (P + T + eps).
double dice_of_sums(const DiceSpec& spec, const double* sums, Index channels);

// With I, P, T the sums of one class and K classes counted: d loss / d p = w (base - t slope),
// slope = 2 dloss / (K (P + T + eps)), base = slope / 2 (2 I + eps) / (P + T + eps); both 0 for a class that
// does not count.
template <class T>
void dice_slopes(const DiceSpec& spec, const double* sums, Index channels, double dloss, std::vector<T>& base,
                 std::vector<T>& slope) {
  const Index first = first_class(spec, channels);
  base.assign(static_cast<std::size_t>(channels), T(0));
  slope = base;
  for (Index c = first; c < channels; ++c) {
    const double size = sums[channels + c] + sums[2 * channels + c] + spec.epsilon;
    const double a = dloss / (static_cast<double>(channels - first) * size);
    base[static_cast<std::size_t>(c)] = static_cast<T>(a * (2.0 * sums[c] + spec.epsilon) / size);
    slope[static_cast<std::size_t>(c)] = static_cast<T>(2.0 * a);
  }
}

}  // namespace duet::ref
