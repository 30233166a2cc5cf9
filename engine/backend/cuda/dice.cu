#include "engine/backend/cuda/dice_parts.h"

namespace duet::cuda {
namespace {

// Probabilities as given.
template <class T>
struct Given {
  const T* p;
  DUET_HOST_DEVICE T operator()(Index, Index element) const { return p[element]; }
};
template <class T>
struct GivenRow {
  const T* p;
  DUET_HOST_DEVICE T operator()(Index c) const { return p[c]; }
};

template <class T, class Target, class Classes>
struct DiceTerms {
  const T* p;
  Target target;
  VoxelWeights<T> weights;
  Classes classes;
  template <int W>
  DUET_HOST_DEVICE void at(Index, Index first, double* sums) const {
    const Rows<T, W, Classes> rows(p, first, classes);
    const auto shares = target.template at<W>(first, classes);
    const auto w = weights.template at<W>(first);
    DiceShares<T, Classes> all;
    DUET_UNROLL
    for (int j = 0; j < W; ++j) all.add(w.v[j], GivenRow<T>{rows.of(j)}, shares.of(j));
    all.onto(sums);
  }
};

template <class T>
struct FinishDice {
  LossOfSums<T> finish;
  double* kept;
  DUET_HOST_DEVICE void operator()(Index, const double* sums) const {
    for (Index i = 0; i < 3 * finish.classes; ++i) kept[i] = sums[i];
    finish(0.0, sums);
  }
};

template <class T, class Target, class Classes>
struct DiceGradient {
  Target target;
  VoxelWeights<T> weights;
  Classes classes;
  const T *base, *slope;  // (C)
  T* dp;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const auto shares = target.template at<W>(first, classes);
    const auto w = weights.template at<W>(first);
    RowWriter<T, W, Classes> out(dp, first, classes, accum);
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const auto t = shares.of(j);
      for (Index c = 0; c < classes; ++c) out.put(j, c, w.v[j] * (base[c] - t(c) * slope[c]));
    }
    out.finish();
  }
};

template <class T, class Target, class Classes>
void sum_dice(const Room& room, const LossOfSums<T>& finish, Index voxels, const T* p, Target target,
              VoxelWeights<T> weights, Classes classes, double* sums) {
  if constexpr (kFew<Classes>) {
    constexpr int K = 3 * static_cast<int>(Classes::value);
    sum_packs<K, kPack<T>>(room, "dice", 1, voxels,
                           DiceTerms<T, Target, Classes>{p, target, weights, classes},
                           FinishDice<T>{finish, sums});
  } else {
    sum_columns<3, 1>(*room.driver, room.memory, "dice", {1, voxels, classes},
                      DiceColumns<T, Target, Given<T>>{{p}, target, weights, classes},
                      StoreDiceColumn{sums, classes});
    for_items(*room.driver, "dice", 1, FinishLoss<T>{finish, nullptr, sums});
  }
}

}  // namespace

void dice_forward(const Room& room, const DiceSpec& spec, ConstView probabilities, const LossTarget& target,
                  ConstView weights, View sums, View loss) {
  check_loss("dice", probabilities, target, weights);
  const Shape& shape = probabilities.shape;
  check_same("dice", sums.shape, {1, 1, 1, 3, shape.c});
  const Index first = first_class(spec, shape.c);
  with_type("dice", probabilities.dtype, [&](auto type) {
    using T = decltype(type);
    const LossOfSums<T> finish{spec.epsilon, first, shape.c, nullptr, loss.as<T>()};
    const bool vectorised = aligned(probabilities.data, target.values.data, weights.data);
    with_target<T>(target, [&](auto t) {
      with_classes(shape.c, vectorised, [&](auto classes) {
        sum_dice<T>(room, finish, shape.rows(), probabilities.as<T>(), t,
                    VoxelWeights<T>{data_or_null<T>(weights)}, classes, sums.as<double>());
      });
    });
  });
}

void dice_backward(const Room& room, const DiceSpec& spec, const LossTarget& target, ConstView weights,
                   ConstView sums, ConstView dloss, View dprobabilities, Accum accum) {
  check_loss("dice_backward", dprobabilities, target, weights);
  const Shape& shape = dprobabilities.shape;
  check_same("dice_backward", sums.shape, {1, 1, 1, 3, shape.c});
  with_type("dice_backward", dprobabilities.dtype, [&](auto type) {
    using T = decltype(type);
    const DiceTable<T> table(room, "dice_backward", spec, sums, dloss);
    const bool vectorised = aligned(target.values.data, weights.data, dprobabilities.data);
    with_target<T>(target, [&](auto t) {
      with_classes(shape.c, vectorised, [&](auto classes) {
        const DiceGradient<T, decltype(t), decltype(classes)> f{t,
                                                                VoxelWeights<T>{data_or_null<T>(weights)},
                                                                classes,
                                                                table.base(),
                                                                table.slope(),
                                                                dprobabilities.as<T>(),
                                                                accum};
        for_voxels<T>(*room.driver, "dice_backward", shape.rows(), classes, f);
      });
    });
  });
}

}  // namespace duet::cuda
