// The softmax of one voxel and what a loss compares it to.
//
// A class index outside [0, C) makes every share of its voxel NaN, and so the loss and the gradient: nothing
// waits for the device to look at the labels, as the reference does, which throws. The trainer refuses a loss
// that is not finite. Nothing is read out of bounds.
#pragma once

#include <cmath>
#include <limits>

#include "engine/backend/cuda/voxels.h"
#include "engine/kernels/loss.h"

namespace duet::cuda {

// Sums over many classes are made in double; those over a few lose nothing.
template <class T, class Classes>
using SumOf = std::conditional_t<kFew<Classes>, T, double>;

template <class Classes>
constexpr int kKept = 1;
template <Index C>
constexpr int kKept<std::integral_constant<Index, C>> = static_cast<int>(C);

// 1 / x of an x between 1 and the number of classes, or NaN: the same bits as a division, without the branch
// that one has on a device for numbers near the ends of the range, and behind which it waits.
DUET_HOST_DEVICE inline float reciprocal(float x) {
#ifdef __CUDA_ARCH__
  float estimate;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(estimate) : "f"(x));
  return fmaf(fmaf(-x, estimate, 1.0f), estimate, estimate);
#else
  return 1.0f / x;
#endif
}
DUET_HOST_DEVICE inline double reciprocal(double x) { return 1.0 / x; }

// p(c) = exp(z_c - top) / sum, top = max_c z_c. z is a row, which must stay where it is.
template <class T, class Classes>
struct Softmax {
  const T* z;
  Classes classes;
  T top, sum, scale;
  T kept[kKept<Classes>];  // exponentials of a few

  DUET_HOST_DEVICE Softmax(const T* row, Classes count) : z(row), classes(count), top(row[0]) {
    for (Index c = 1; c < classes; ++c) top = z[c] > top ? z[c] : top;
    if constexpr (kKept<Classes> == 2) {  // of two exponentials one is 1, or NaN where its score is infinite
      const bool second = z[1] > z[0];
      const T one = T(1) + (top - top), e = std::exp(second ? below(0) : below(1));
      kept[0] = second ? e : one;
      kept[1] = second ? one : e;
      sum = one + e;
    } else {
      SumOf<T, Classes> total = 0;
      for (Index c = 0; c < classes; ++c) {
        const T e = std::exp(below(c));
        if constexpr (kFew<Classes>) kept[c] = e;
        total += static_cast<SumOf<T, Classes>>(e);
      }
      sum = static_cast<T>(total);
    }
    scale = reciprocal(sum);
  }
  DUET_HOST_DEVICE T below(Index c) const { return z[c] - top; }
  DUET_HOST_DEVICE T exponential(Index c) const {
    if constexpr (kFew<Classes>) {
      return kept[c];
    } else {
      return std::exp(below(c));
    }
  }
  DUET_HOST_DEVICE T operator()(Index c) const { return exponential(c) * scale; }
};

// The shares t of the classes in one voxel's target.
template <class T>
struct HardShares {
  Index wanted;
  T others;  // 0, or NaN where there is no such class
  DUET_HOST_DEVICE T operator()(Index c) const { return c == wanted ? T(1) : others; }
  template <class Classes>
  DUET_HOST_DEVICE T total(Classes) const {
    return T(1) + others;
  }
};
template <class T>
struct SoftShares {
  const T* t;
  DUET_HOST_DEVICE T operator()(Index c) const { return t[c]; }
  template <class Classes>
  DUET_HOST_DEVICE T total(Classes classes) const {
    SumOf<T, Classes> sum = 0;
    for (Index c = 0; c < classes; ++c) sum += static_cast<SumOf<T, Classes>>(t[c]);
    return static_cast<T>(sum);
  }
};

// A target: at<W>(first voxel, classes) reads it for W voxels, of(voxel) are then the shares.
template <class T>
struct HardTarget {
  const std::uint8_t* indices;
  template <int W>
  struct Read {
    Pack<std::uint8_t, W> wanted;
    Index classes;
    DUET_HOST_DEVICE HardShares<T> of(int voxel) const {
      const Index c = wanted.v[voxel];
      return {c, c < classes ? T(0) : std::numeric_limits<T>::quiet_NaN()};
    }
  };
  template <int W, class Classes>
  DUET_HOST_DEVICE Read<W> at(Index first, Classes classes) const {
    return {load<W>(indices, first), classes};
  }
};
template <class T>
struct SoftTarget {
  const T* shares;
  template <int W, class Classes>
  struct Read {
    Rows<T, W, Classes> rows;
    DUET_HOST_DEVICE SoftShares<T> of(int voxel) const { return {rows.of(voxel)}; }
  };
  template <int W, class Classes>
  DUET_HOST_DEVICE Read<W, Classes> at(Index first, Classes classes) const {
    return {Rows<T, W, Classes>(shares, first, classes)};
  }
};

template <class T, class F>
void with_target(const LossTarget& target, F&& f) {
  if (target.soft()) {
    f(SoftTarget<T>{target.values.as<T>()});
  } else {
    f(HardTarget<T>{target.values.as<std::uint8_t>()});
  }
}

// z_t - top of a class index t. Only its own score is looked at: others may be minus infinity.
template <class T, class Classes>
DUET_HOST_DEVICE inline T wanted_of(const Softmax<T, Classes>& p, const HardShares<T>& t) {
  T wanted = t.others;
  if constexpr (kFew<Classes>) {
    for (Index c = 0; c < p.classes; ++c) {
      const T below = p.below(c);
      wanted = c == t.wanted ? below : wanted;
    }
  } else {
    if (t.wanted < p.classes) wanted = p.below(t.wanted);
  }
  return wanted;
}

// sum_c t_c (ln sum_k exp(z_k - top) - (z_c - top)).
template <class T, class Classes>
DUET_HOST_DEVICE inline T cross_entropy_of(const Softmax<T, Classes>& p, const HardShares<T>& t) {
  return std::log(p.sum) - wanted_of(p, t);
}
template <class T, class Classes>
DUET_HOST_DEVICE inline T cross_entropy_of(const Softmax<T, Classes>& p, const SoftShares<T>& t) {
  const T log_sum = std::log(p.sum);
  SumOf<T, Classes> loss = 0;
  for (Index c = 0; c < p.classes; ++c) loss += static_cast<SumOf<T, Classes>>(t(c) * (log_sum - p.below(c)));
  return static_cast<T>(loss);
}

}  // namespace duet::cuda
