// Soft Dice from its sums, for dice.cu and segmentation.cu. sums (3, C), f64: for each class sum w p t, sum w
// p, sum w t.
#pragma once

#include "engine/backend/cuda/loss_parts.h"
#include "engine/backend/cuda/scores.h"
#include "engine/backend/cuda/sums.h"

namespace duet::cuda {

// The first class that counts; throws EngineError where none does.
inline Index first_class(const DiceSpec& spec, Index classes) {
  const Index first = spec.background ? 0 : 1;
  DUET_CHECK(first < classes, "dice: one class and no background leave nothing");
  return first;
}

// loss = entropy / denominator (0 without a denominator) + the mean over the classes that count of 1 - (2 I +
// eps) / (P + T + eps).
template <class T>
struct LossOfSums {
  double epsilon;
  Index first, classes;
  const T* denominator;
  T* loss;
  DUET_HOST_DEVICE void operator()(double entropy, const double* sums) const {
    double dice = 0;
    for (Index c = first; c < classes; ++c) {
      dice += 1.0 - (2.0 * sums[c] + epsilon) / (sums[classes + c] + sums[2 * classes + c] + epsilon);
    }
    dice /= static_cast<double>(classes - first);
    loss[0] = static_cast<T>(denominator ? entropy / static_cast<double>(denominator[0]) + dice : dice);
  }
};

// Few classes: all sums of a pack of voxels; a pack is added in T.
template <class T, class Classes>
struct DiceShares {
  static constexpr int C = static_cast<int>(Classes::value);
  T overlap[C] = {}, predicted[C] = {}, wanted[C] = {};
  template <class Probability, class Shares>
  DUET_HOST_DEVICE void add(T w, const Probability& p, const Shares& t) {
    for (Index c = 0; c < C; ++c) {
      const T wp = w * p(c), share = t(c);
      overlap[c] += wp * share;
      predicted[c] += wp;
      wanted[c] += w * share;
    }
  }
  DUET_HOST_DEVICE void onto(double* sums) const {
    for (int c = 0; c < C; ++c) {
      sums[c] += static_cast<double>(overlap[c]);
      sums[C + c] += static_cast<double>(predicted[c]);
      sums[2 * C + c] += static_cast<double>(wanted[c]);
    }
  }
};

// Many classes: the sums of one class; p(row, element) is its probability.
template <class T, class Target, class Probability>
struct DiceColumns {
  static constexpr int kBlocks = sizeof(T) == sizeof(double) ? 3 : 4;
  Probability p;
  Target target;
  VoxelWeights<T> weights;
  Index classes;
  template <int W>
  DUET_HOST_DEVICE void add(Index, Index row, Index c, double* sums) const {
    static_assert(W == 1);
    const auto t = target.template at<1>(row, classes);
    const auto share = static_cast<double>(t.of(0)(c)),
               w = static_cast<double>(weights.template at<1>(row).v[0]);
    const double wp = w * static_cast<double>(p(row, row * classes + c));
    sums[0] += wp * share;
    sums[1] += wp;
    sums[2] += w * share;
  }
};
struct StoreDiceColumn {
  double* sums;
  Index classes;
  DUET_HOST_DEVICE void operator()(Index, Index c, const double* of_class) const {
    for (int k = 0; k < 3; ++k) sums[k * classes + c] = of_class[k];
  }
};

// The loss once the sums are in memory; `entropy` may be empty.
template <class T>
struct FinishLoss {
  LossOfSums<T> finish;
  const double *entropy, *sums;
  DUET_HOST_DEVICE void operator()(Index) const { finish(entropy ? entropy[0] : 0.0, sums); }
};

// With I, P, T the sums of one class and K classes counted: d Dice loss / d p = w (base - t slope), slope = 2
// dloss / (K (P + T + eps)), base = slope / 2 (2 I + eps) / (P + T + eps); both 0 for a class that does not
// count. Made once for all voxels.
template <class T>
struct DiceSlopes {
  double epsilon;
  Index first, classes;
  const double* sums;
  const T* dloss;
  T *base, *slope;  // (C)
  DUET_HOST_DEVICE void operator()(Index c) const {
    const double size = sums[classes + c] + sums[2 * classes + c] + epsilon;
    const double a = static_cast<double>(dloss[0]) / (static_cast<double>(classes - first) * size);
    base[c] = c < first ? T(0) : static_cast<T>(a * (2.0 * sums[c] + epsilon) / size);
    slope[c] = c < first ? T(0) : static_cast<T>(2.0 * a);
  }
};

// The table of DiceSlopes in scratch memory.
template <class T>
class DiceTable {
 public:
  DiceTable(const Room& room, const char* kernel, const DiceSpec& spec, ConstView sums, ConstView dloss)
      : classes_(sums.shape.c),
        scratch_(room.memory, static_cast<std::size_t>(2 * classes_) * sizeof(T), kernel) {
    for_items(*room.driver, kernel, classes_,
              DiceSlopes<T>{spec.epsilon, first_class(spec, classes_), classes_, sums.as<double>(),
                            dloss.as<T>(), data(), data() + classes_});
  }
  const T* base() const { return data(); }
  const T* slope() const { return data() + classes_; }

 private:
  T* data() const { return static_cast<T*>(scratch_.data()); }

  Index classes_;
  Scratch scratch_;
};

}  // namespace duet::cuda
