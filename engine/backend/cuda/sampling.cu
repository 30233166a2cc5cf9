// Voxel weights, argmax and the group itself.
#include <cmath>

#include "engine/backend/cuda/cuda.h"
#include "engine/backend/cuda/sampling_parts.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/functors.h"

namespace duet::cuda {
namespace {

// The index of the greatest channel, first of equals.
template <class T, class Classes>
struct Argmax {
  const T* x;
  Classes classes;
  std::uint8_t* out;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    const Rows<T, W, Classes> rows(x, first, classes);
    Pack<std::uint8_t, W> found;
    DUET_UNROLL
    for (int j = 0; j < W; ++j) {
      const T* row = rows.of(j);
      T top = row[0];
      Index best = 0;
      for (Index c = 1; c < classes; ++c) {
        const bool greater = row[c] > top;
        top = greater ? row[c] : top;
        best = greater ? c : best;
      }
      found.v[j] = static_cast<std::uint8_t>(best);
    }
    store<W>(out, first, found, Accum::write);
  }
};

struct TowardsUncertain {
  double alpha;
  template <class T>
  DUET_HOST_DEVICE T operator()(T u) const {
    return T(1) + static_cast<T>(alpha) * u;
  }
};
struct TowardsCertain {
  double beta;
  template <class T>
  DUET_HOST_DEVICE T operator()(T u) const {
    return std::exp(-static_cast<T>(beta) * u);
  }
};

// weights = valid f(uncertainty); weights may be the same memory as uncertainty or valid, which may be empty.
template <class T, class F>
struct Weigh {
  const T *uncertainty, *valid;
  F f;
  T* weights;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    auto values = load<W>(uncertainty, first);
    for (int i = 0; i < W; ++i) values.v[i] = f(values.v[i]);
    if (valid) {
      const auto mask = load<W>(valid, first);
      for (int i = 0; i < W; ++i) values.v[i] *= mask.v[i];
    }
    store<W>(weights, first, values, Accum::write);
  }
};

template <class T>
struct Greater {
  const T *a, *b;
  T* y;
  template <int W>
  DUET_HOST_DEVICE void at(Index first) const {
    auto values = load<W>(a, first);
    const auto others = load<W>(b, first);
    for (int i = 0; i < W; ++i) values.v[i] = functors::Maximum{}(values.v[i], others.v[i]);
    store<W>(y, first, values, Accum::write);
  }
};

void check_sums(const SampleSums& sums) {
  const Shape& shape = sums.probability.shape;
  DUET_CHECK(shape.c >= 2, "sampling: probabilities ", shape, " should have at least 2 classes");
  DUET_CHECK(sums.entropy.shape == shape.with_channels(1) && sums.square.shape == shape.with_channels(1),
             "sampling: entropy ", sums.entropy.shape, " and square ", sums.square.shape,
             " beside probability ", shape);
}

class CudaSampling final : public SamplingKernels {
 public:
  explicit CudaSampling(const Room& room) : room_(room) {}

  void accumulate_samples(ConstView logits, Index passes, const SampleSums& sums, Accum accum) override {
    check_sums(sums);
    const Shape& shape = sums.probability.shape;
    DUET_CHECK(passes >= 1 && logits.shape == shape.with_batch(shape.n * passes),
               "accumulate_samples: logits ", logits.shape, " of ", passes, " passes onto ", shape);
    with_type("accumulate_samples", logits.dtype, [&](auto type) {
      using T = decltype(type);
      const bool whole = passes == 1 || shape.elements() % kPack<T> == 0;  // else passes are not aligned
      with_classes(shape.c, whole && aligned(logits.data) && aligned_sums(sums), [&](auto classes) {
        const AccumulateSamples<T, decltype(classes)> f{logits.as<T>(),
                                                        passes,
                                                        shape.rows(),
                                                        classes,
                                                        sums.probability.as<T>(),
                                                        sums.entropy.as<T>(),
                                                        sums.square.as<T>(),
                                                        accum};
        for_voxels<T>(*room_.driver, "accumulate_samples", shape.rows(), classes, f);
      });
    });
  }

  void finish_samples(UncertaintyKind kind, Index passes, const SampleSums& sums, View uncertainty) override {
    check_sums(sums);
    const Shape& shape = sums.probability.shape;
    DUET_CHECK(passes >= 1 && uncertainty.shape == shape.with_channels(1), "finish_samples: ", passes,
               " passes, uncertainty ", uncertainty.shape, " of ", shape);
    const double greatest = kind == UncertaintyKind::variance ? 1.0 - 1.0 / static_cast<double>(shape.c)
                                                              : std::log(static_cast<double>(shape.c));
    with_type("finish_samples", uncertainty.dtype, [&](auto type) {
      using T = decltype(type);
      with_classes(shape.c, aligned(uncertainty.data) && aligned_sums(sums), [&](auto classes) {
        const FinishSamples<T, decltype(classes)> f{kind,
                                                    classes,
                                                    static_cast<T>(1.0 / static_cast<double>(passes)),
                                                    static_cast<T>(1.0 / greatest),
                                                    sums.probability.as<T>(),
                                                    sums.entropy.as<T>(),
                                                    sums.square.as<T>(),
                                                    uncertainty.as<T>()};
        for_voxels<T>(*room_.driver, "finish_samples", shape.rows(), classes, f);
      });
    });
  }

  void weights_towards_uncertain(ConstView uncertainty, double alpha, ConstView valid,
                                 View weights) override {
    weigh("weights_towards_uncertain", uncertainty, valid, weights, TowardsUncertain{alpha});
  }
  void weights_towards_certain(ConstView uncertainty, double beta, ConstView valid, View weights) override {
    weigh("weights_towards_certain", uncertainty, valid, weights, TowardsCertain{beta});
  }

  void maximum(ConstView a, ConstView b, View y) override {
    DUET_CHECK(a.shape == y.shape && b.shape == y.shape, "maximum: ", a.shape, " and ", b.shape, " into ",
               y.shape);
    with_type("maximum", y.dtype, [&](auto type) {
      using T = decltype(type);
      for_packs<T>(*room_.driver, "maximum", y.shape.elements(), aligned(a.data, b.data, y.data),
                   Greater<T>{a.as<T>(), b.as<T>(), y.as<T>()});
    });
  }

  void argmax(ConstView x, View classes) override {
    DUET_CHECK(classes.shape == x.shape.with_channels(1) && x.shape.c <= 256, "argmax: classes ",
               classes.shape, " of ", x.shape);
    with_type("argmax", x.dtype, [&](auto type) {
      using T = decltype(type);
      with_classes(x.shape.c, aligned(x.data, classes.data), [&](auto count) {
        for_voxels<T>(*room_.driver, "argmax", x.shape.rows(), count,
                      Argmax<T, decltype(count)>{x.as<T>(), count, classes.as<std::uint8_t>()});
      });
    });
  }

 private:
  static bool aligned_sums(const SampleSums& sums) {
    return aligned(sums.probability.data, sums.entropy.data, sums.square.data);
  }

  template <class F>
  void weigh(const char* kernel, ConstView uncertainty, ConstView valid, View weights, const F& f) {
    DUET_CHECK(weights.shape == uncertainty.shape && (!valid || valid.shape == uncertainty.shape), kernel,
               ": weights ", weights.shape, " and valid ", valid.shape, " of uncertainty ",
               uncertainty.shape);
    with_type(kernel, weights.dtype, [&](auto type) {
      using T = decltype(type);
      for_packs<T>(*room_.driver, kernel, weights.shape.elements(),
                   aligned(uncertainty.data, valid.data, weights.data),
                   Weigh<T, F>{uncertainty.as<T>(), valid ? valid.as<T>() : nullptr, f, weights.as<T>()});
    });
  }

  Room room_;
};

}  // namespace

std::unique_ptr<SamplingKernels> make_sampling(const Room& room) {
  return std::make_unique<CudaSampling>(room);
}

}  // namespace duet::cuda
