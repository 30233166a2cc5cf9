// Monte Carlo passes to mean prediction and uncertainty, for sampling.cu. All per voxel; sums over passes in
// pass order.
#pragma once

#include "engine/backend/cuda/scores.h"
#include "engine/kernels/sampling.h"

namespace duet::cuda {

template <class T>
struct Moments {
  T entropy, square;  // -sum_c p ln p, sum_c p^2
};

// As ln p = (z - top) - ln sum, the entropy is ln sum - sum_c p (z - top).
template <class T, class Classes>
DUET_HOST_DEVICE inline Moments<T> moments_of(const Softmax<T, Classes>& p) {
  constexpr T kLowest = -1000;  // exp of it is 0 in float and in double
  SumOf<T, Classes> weighted = 0, squares = 0;
  for (Index c = 0; c < p.classes; ++c) {
    const T below = p.below(c), e = p.exponential(c);
    // p ln p is 0 at p = 0, minus infinity included.
    weighted += static_cast<SumOf<T, Classes>>(e * (below < kLowest ? kLowest : below));
    squares += static_cast<SumOf<T, Classes>>(e * e);
  }
  return {std::log(p.sum) - static_cast<T>(weighted) * p.scale, static_cast<T>(squares) * p.scale * p.scale};
}

// sums = or += over the passes of a voxel, logits (passes, voxels, C).
template <class T, class Classes>
struct AccumulateSamples {
  const T* z;
  Index passes, voxels;
  Classes classes;
  T *probability, *entropy, *square;
  Accum accum;

  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    if constexpr (kFew<Classes>) {
      few<W>(first);
    } else {
      many(first);
    }
  }

 private:
  template <int W>
  DUET_HOST_DEVICE Pack<T, W> start(const T* sums, Index first) const {
    if (accum == Accum::add) return load<W>(sums, first);
    return {};
  }

  // All sums stay in registers over the passes.
  template <int W>
  DUET_HOST_DEVICE void few(Index first) const {
    constexpr int C = static_cast<int>(Classes::value);
    Pack<T, W> p[C], entropies = start<W>(entropy, first), squares = start<W>(square, first);
    for (int k = 0; k < C; ++k) p[k] = start<W>(probability, first * C + k * W);
    for (Index pass = 0; pass < passes; ++pass) {
      const Rows<T, W, Classes> rows(z, pass * voxels + first, classes);
      DUET_UNROLL
      for (int j = 0; j < W; ++j) {
        const Softmax<T, Classes> softmax(rows.of(j), classes);
        for (int c = 0; c < C; ++c) p[(j * C + c) / W].v[(j * C + c) % W] += softmax(c);
        const Moments<T> moments = moments_of(softmax);
        entropies.v[j] += moments.entropy;
        squares.v[j] += moments.square;
      }
    }
    for (int k = 0; k < C; ++k) store<W>(probability, first * C + k * W, p[k], Accum::write);
    store<W>(entropy, first, entropies, Accum::write);
    store<W>(square, first, squares, Accum::write);
  }

  DUET_HOST_DEVICE void many(Index v) const {
    T entropies = start<1>(entropy, v).v[0], squares = start<1>(square, v).v[0];
    for (Index pass = 0; pass < passes; ++pass) {
      const Softmax<T, Classes> softmax(z + (pass * voxels + v) * classes, classes);
      const Accum how = pass == 0 ? accum : Accum::add;
      for (Index c = 0; c < classes; ++c) store_one(probability, v * classes + c, softmax(c), how);
      const Moments<T> moments = moments_of(softmax);
      entropies += moments.entropy;
      squares += moments.square;
    }
    entropy[v] = entropies;
    square[v] = squares;
  }
};

template <class T, class Classes>
DUET_HOST_DEVICE inline T entropy_of(const T* sums, T mean, Classes classes) {
  SumOf<T, Classes> entropy = 0;
  for (Index c = 0; c < classes; ++c) {
    const T p = sums[c] * mean;
    entropy -= static_cast<SumOf<T, Classes>>(p > T(0) ? p * std::log(p) : T(0));
  }
  return static_cast<T>(entropy);
}

// probability: sum -> mean, and the uncertainty, in [0, 1].
template <class T, class Classes>
struct FinishSamples {
  UncertaintyKind kind;
  Classes classes;
  T mean, scale;  // 1 / passes, 1 / the greatest there is
  T* probability;
  const T *entropy, *square;
  T* uncertainty;

  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const Rows<T, W, Classes> rows(probability, first, classes);
    RowWriter<T, W, Classes> means(probability, first, classes, Accum::write);
    const bool variance = kind == UncertaintyKind::variance;
    Pack<T, W> passes{}, out;  // the mean over the passes of the entropy or, for the variance, of sum_c p^2
    if (kind != UncertaintyKind::predictive_entropy) passes = load<W>(variance ? square : entropy, first);
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const T value = value_of(rows.of(j), passes.v[j] * mean) * scale;
      out.v[j] = value < T(0) ? T(0) : value > T(1) ? T(1) : value;
      for (Index c = 0; c < classes; ++c) means.put(j, c, rows.of(j)[c] * mean);
    }
    means.finish();
    store<W>(uncertainty, first, out, Accum::write);
  }

 private:
  DUET_HOST_DEVICE T value_of(const T* sums, T of_passes) const {
    if (kind == UncertaintyKind::expected_entropy) return of_passes;
    if (kind == UncertaintyKind::variance) {
      T value = of_passes;
      for (Index c = 0; c < classes; ++c) value -= sums[c] * mean * (sums[c] * mean);
      return value;
    }
    const T entropy_of_mean = entropy_of(sums, mean, classes);
    return kind == UncertaintyKind::predictive_entropy ? entropy_of_mean : entropy_of_mean - of_passes;
  }
};

}  // namespace duet::cuda
