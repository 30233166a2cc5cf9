// Cross-entropy and Dice of a softmax in one pass: with p = softmax(z), weights w, classes t and Dice's own
// sums,
//   loss = sum_v w (ln sum_k exp(z_k) - z_t) / denominator + Dice(p)
//   dz_c = dloss (w / denominator (p_c - [c = t]) + p_c (q_c - sum_k p_k q_k)),  q_c = dDice / dp_c
// With few classes nothing but the logits is read. With many, one pass makes the cross-entropy and keeps each
// voxel's greatest score and 1 / sum, by which a second one sums Dice by class.
#include "engine/backend/cuda/dice_parts.h"

namespace duet::cuda {
namespace {

// Few classes: cross-entropy, then the sums of Dice.
template <class T, class Classes>
struct SegmentationTerms {
  // Voxels of a thread: two packs in f32, so that half as many sums are made in double.
  static constexpr int kRun = sizeof(T) == sizeof(float) ? 2 * kPack<T> : kPack<T>;
  // Of two classes in f32 four blocks fit, so that all chunks of a large tensor run at once.
  static constexpr int kBlocks = std::is_same_v<T, float> && kKept<Classes> == 2 ? 4 : 0;
  const T* z;
  HardTarget<T> target;
  VoxelWeights<T> weights;
  Classes classes;
  template <int W>
  DUET_HOST_DEVICE void at(Index, Index first, double* sums) const {
    const Rows<T, W, Classes> rows(z, first, classes);
    const auto shares = target.template at<W>(first, classes);
    const auto w = weights.template at<W>(first);
    bool alike = true;
    DUET_UNROLL
    for (int j = 1; j < W; ++j) alike = alike && w.v[j] == w.v[0];
    if (alike) {
      add<true>(rows, shares, w, sums);
    } else {
      add<false>(rows, shares, w, sums);
    }
  }

 private:
  // Where all voxels have one weight, as nearly all have in a mask, one logarithm will do: each factor of the
  // product lies between 1 and C. The choice stands around the loop, so that no voxel's terms wait in
  // registers.
  template <bool Alike, int W>
  DUET_HOST_DEVICE void add(const Rows<T, W, Classes>& rows,
                            const typename HardTarget<T>::template Read<W>& shares, const Pack<T, W>& w,
                            double* sums) const {
    T entropy = 0, product = 1;
    DiceShares<T, Classes> dice;
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const Softmax<T, Classes> p(rows.of(j), classes);
      const auto t = shares.of(j);
      const T wanted = wanted_of(p, t);
      if constexpr (Alike) {
        entropy -= wanted;
        product *= p.sum;
      } else {
        entropy += w.v[j] * (std::log(p.sum) - wanted);
      }
      dice.add(w.v[j], p, t);
    }
    if constexpr (Alike) entropy = w.v[0] * (entropy + std::log(product));
    sums[0] += static_cast<double>(entropy);
    dice.onto(sums + 1);
  }
};

template <class T>
struct FinishSegmentation {
  LossOfSums<T> finish;
  double* kept;
  DUET_HOST_DEVICE void operator()(Index, const double* sums) const {
    for (Index i = 0; i < 3 * finish.classes; ++i) kept[i] = sums[1 + i];
    finish(sums[0], sums + 1);
  }
};

// Many classes: cross-entropy alone, and what the softmax of a voxel takes.
template <class T>
struct EntropyAndScale {
  const T* z;
  HardTarget<T> target;
  VoxelWeights<T> weights;
  Index classes;
  T *top, *scale;  // (rows)
  template <int W>
  DUET_HOST_DEVICE void at(Index, Index v, double* sums) const {
    static_assert(W == 1);
    const Softmax<T, Index> p(z + v * classes, classes);
    const auto t = target.template at<1>(v, classes);
    top[v] = p.top;
    scale[v] = p.scale;
    sums[0] += static_cast<double>(weights.template at<1>(v).v[0] * cross_entropy_of(p, t.of(0)));
  }
};

struct StoreDouble {
  double* to;
  DUET_HOST_DEVICE void operator()(Index, const double* sums) const { to[0] = sums[0]; }
};

template <class T>
struct FromScale {
  const T *z, *top, *scale;
  DUET_HOST_DEVICE T operator()(Index row, Index element) const {
    return std::exp(z[element] - top[row]) * scale[row];
  }
};

template <class T>
void sum_many(const Room& room, const char* kernel, const LossOfSums<T>& finish, Index voxels, const T* z,
              HardTarget<T> target, VoxelWeights<T> weights, double* sums) {
  const Index classes = finish.classes;
  const auto bytes = static_cast<std::size_t>(voxels) * sizeof(T);
  const Scratch total(room.memory, sizeof(double), kernel);
  const Scratch tops(room.memory, bytes, kernel), scales(room.memory, bytes, kernel);
  auto* entropy = static_cast<double*>(total.data());
  auto *top = static_cast<T*>(tops.data()), *scale = static_cast<T*>(scales.data());
  sum_packs<1, 1>(room, kernel, 1, voxels, EntropyAndScale<T>{z, target, weights, classes, top, scale},
                  StoreDouble{entropy});
  sum_columns<3, 1>(*room.driver, room.memory, kernel, {1, voxels, classes},
                    DiceColumns<T, HardTarget<T>, FromScale<T>>{{z, top, scale}, target, weights, classes},
                    StoreDiceColumn{sums, classes});
  for_items(*room.driver, kernel, 1, FinishLoss<T>{finish, entropy, sums});
}

template <class T, class Classes>
struct SegmentationGradient {
  const T* z;
  HardTarget<T> target;
  VoxelWeights<T> weights;
  Classes classes;
  const T *denominator, *dloss;
  const T *base, *slope;  // (C)
  T* dz;
  Accum accum;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const Rows<T, W, Classes> rows(z, first, classes);
    const auto shares = target.template at<W>(first, classes);
    const auto w = weights.template at<W>(first);
    const T factor = dloss[0] / denominator[0];
    RowWriter<T, W, Classes> out(dz, first, classes, accum);
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const Softmax<T, Classes> p(rows.of(j), classes);
      const auto t = shares.of(j);
      SumOf<T, Classes> total = 0;
      for (Index c = 0; c < classes; ++c) {
        total += static_cast<SumOf<T, Classes>>(p(c) * (base[c] - t(c) * slope[c]));
      }
      const T inner = static_cast<T>(total);
      for (Index c = 0; c < classes; ++c) {
        const T pc = p(c), tc = t(c);
        out.put(j, c, w.v[j] * (factor * (pc - tc) + pc * (base[c] - tc * slope[c] - inner)));
      }
    }
    out.finish();
  }
};

}  // namespace

void segmentation_loss_forward(const Room& room, const DiceSpec& spec, ConstView logits, ConstView classes,
                               ConstView weights, ConstView denominator, View sums, View loss) {
  constexpr auto kKernel = "segmentation_loss";
  check_loss(kKernel, logits, {classes}, weights);
  const Shape& shape = logits.shape;
  check_same(kKernel, sums.shape, {1, 1, 1, 3, shape.c});
  const Index first = first_class(spec, shape.c);
  with_type(kKernel, logits.dtype, [&](auto type) {
    using T = decltype(type);
    const LossOfSums<T> finish{spec.epsilon, first, shape.c, denominator.as<T>(), loss.as<T>()};
    const HardTarget<T> target{classes.as<std::uint8_t>()};
    const VoxelWeights<T> w{data_or_null<T>(weights)};
    with_classes(shape.c, aligned(logits.data, classes.data, weights.data), [&](auto count) {
      using Classes = decltype(count);
      if constexpr (kFew<Classes>) {
        constexpr int K = 1 + 3 * static_cast<int>(Classes::value);
        using Terms = SegmentationTerms<T, Classes>;
        sum_packs<K, Terms::kRun>(room, kKernel, 1, shape.rows(), Terms{logits.as<T>(), target, w, count},
                                  FinishSegmentation<T>{finish, sums.as<double>()});
      } else {
        sum_many<T>(room, kKernel, finish, shape.rows(), logits.as<T>(), target, w, sums.as<double>());
      }
    });
  });
}

void segmentation_loss_backward(const Room& room, const DiceSpec& spec, ConstView logits, ConstView classes,
                                ConstView weights, ConstView denominator, ConstView sums, ConstView dloss,
                                View dlogits, Accum accum) {
  constexpr auto kKernel = "segmentation_loss_backward";
  check_loss(kKernel, logits, {classes}, weights);
  check_same(kKernel, logits.shape, dlogits.shape);
  check_same(kKernel, sums.shape, {1, 1, 1, 3, logits.shape.c});
  with_type(kKernel, logits.dtype, [&](auto type) {
    using T = decltype(type);
    const DiceTable<T> table(room, kKernel, spec, sums, dloss);
    const bool vectorised = aligned(logits.data, classes.data, weights.data, dlogits.data);
    with_classes(logits.shape.c, vectorised, [&](auto count) {
      const SegmentationGradient<T, decltype(count)> f{logits.as<T>(),
                                                       {classes.as<std::uint8_t>()},
                                                       {data_or_null<T>(weights)},
                                                       count,
                                                       denominator.as<T>(),
                                                       dloss.as<T>(),
                                                       table.base(),
                                                       table.slope(),
                                                       dlogits.as<T>(),
                                                       accum};
      for_voxels<T>(*room.driver, kKernel, logits.shape.rows(), count, f);
    });
  });
}

}  // namespace duet::cuda
