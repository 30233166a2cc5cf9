// Monte Carlo passes to mean prediction, uncertainty and voxel weights. All per voxel; sums over passes in
// pass order.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/backend/ref/exponential.h"
#include "engine/backend/ref/ref.h"
#include "engine/core/parallel.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/functors.h"

namespace duet::ref {
namespace {

constexpr Index kVoxels = 1024;           // voxels of a chunk
constexpr Index kGrain = Index{1} << 14;  // elements of a chunk of an elementwise loop

template <class T>
struct Sums {
  T *probability, *entropy, *square;
};

// One voxel of one pass: probability += p = softmax(z), square += sum_c p^2, and the entropy -sum_c p ln p in
// two parts: as ln p = (z - m) - ln s with m = max z and s = sum exp(z - m), it is ln s - sum_c p (z - m).
// Takes away the second part and returns s, so that the loop over voxels has no logarithm and is vectorised.
// Classes may be a constant.
template <class T, class Classes>
inline T add_voxel(const T* z, Classes classes, T* probability, T& entropy, T& square) {
  T top =
      std::numeric_limits<T>::lowest();  // from z[0] on, gcc does not vectorise over voxels of two classes
  for (Index c = 0; c < classes; ++c) top = z[c] > top ? z[c] : top;
  constexpr T kLowest = -1000;  // exp of it is 0 in float and in double
  T sum = 0, weighted = 0, squares = 0;
  for (Index c = 0; c < classes; ++c) {
    const T below = z[c] - top, e = exp_nonpositive(below);
    sum += e;
    weighted += e * (below > kLowest ? below : kLowest);  // p ln p is 0 at p = 0, minus infinity included
    squares += e * e;
  }
  const T scale = T(1) / sum;
  for (Index c = 0; c < classes; ++c) probability[c] += exp_nonpositive(z[c] - top) * scale;
  entropy -= weighted * scale;
  square += squares * scale * scale;
  return sum;
}

template <class T, class Classes>
void add_passes(const T* logits, Index passes, Index voxels, Classes classes, const Sums<T>& sums,
                Accum accum) {
  parallel_chunks(voxels, kVoxels, [&](Index first, Index last) {
    const Index count = last - first;
    T *probability = sums.probability + first * classes, *entropy = sums.entropy + first;
    T* square = sums.square + first;
    if (accum == Accum::write) {
      std::fill_n(probability, count * classes, T(0));
      std::fill_n(entropy, count, T(0));
      std::fill_n(square, count, T(0));
    }
    T totals[kVoxels];
    for (Index pass = 0; pass < passes; ++pass) {
      const T* z = logits + (pass * voxels + first) * classes;
#pragma omp simd
      for (Index i = 0; i < count; ++i) {
        totals[i] = add_voxel(z + i * classes, classes, probability + i * classes, entropy[i], square[i]);
      }
#pragma omp simd
      for (Index i = 0; i < count; ++i) entropy[i] += log_positive(totals[i]);
    }
  });
}

// Without a branch, so that the loop over voxels is vectorised: p ln p is 0 at p = 0 by the factor.
template <class T, class Classes>
inline T entropy_of(const T* p, Classes classes) {
  constexpr T kLeast = std::numeric_limits<T>::min();
  T entropy = 0;
  for (Index c = 0; c < classes; ++c) entropy -= p[c] * log_positive(p[c] > kLeast ? p[c] : kLeast);
  return entropy;
}

// Sums over passes become means; out[i] = value(voxel i, its mean probabilities) / greatest, cut to [0, 1].
template <class T, class Classes, class Value>
void finish_voxels(T* probability, Index voxels, Classes classes, T mean, double greatest, T* out,
                   const Value& value) {
  const T scale = static_cast<T>(1.0 / greatest);
  parallel_chunks(voxels, kVoxels, [=, &value](Index begin, Index end) {
#pragma omp simd
    for (Index i = begin; i < end; ++i) {
      T* p = probability + i * classes;
      for (Index c = 0; c < classes; ++c) p[c] *= mean;
      const T scaled = value(i, p) * scale;
      out[i] = scaled < T(0) ? T(0) : scaled > T(1) ? T(1) : scaled;
    }
  });
}

template <class T, class Classes>
void finish(UncertaintyKind kind, Index passes, const SampleSums& sums, Classes classes, View uncertainty) {
  T* probability = sums.probability.as<T>();
  const T *entropy = sums.entropy.as<T>(), *square = sums.square.as<T>();
  T* out = uncertainty.as<T>();
  const T mean = static_cast<T>(1.0 / static_cast<double>(passes));
  const auto count = static_cast<double>(static_cast<Index>(classes));
  const auto finished = [&](double greatest, const auto& value) {
    finish_voxels(probability, uncertainty.shape.rows(), classes, mean, greatest, out, value);
  };
  switch (kind) {
    case UncertaintyKind::predictive_entropy:
      return finished(std::log(count), [=](Index, const T* p) { return entropy_of(p, classes); });
    case UncertaintyKind::expected_entropy:
      return finished(std::log(count), [=](Index i, const T*) { return entropy[i] * mean; });
    case UncertaintyKind::mutual_information:
      return finished(std::log(count),
                      [=](Index i, const T* p) { return entropy_of(p, classes) - entropy[i] * mean; });
    case UncertaintyKind::variance:
      return finished(1.0 - 1.0 / count, [=](Index i, const T* p) {
        T value = square[i] * mean;
        for (Index c = 0; c < classes; ++c) value -= p[c] * p[c];
        return value;
      });
  }
}

void check_sums(const SampleSums& sums) {
  const Shape& shape = sums.probability.shape;
  DUET_CHECK(shape.c >= 2, "sampling: probabilities ", shape, " should have at least 2 classes");
  DUET_CHECK(sums.entropy.shape == shape.with_channels(1) && sums.square.shape == shape.with_channels(1),
             "sampling: entropy ", sums.entropy.shape, " and square ", sums.square.shape,
             " beside probability ", shape);
}

// weights = valid * f(uncertainty). weights may be the same memory as uncertainty or valid.
template <class F>
void weigh(const char* kernel, ConstView uncertainty, ConstView valid, View weights, const F& f) {
  DUET_CHECK(weights.shape == uncertainty.shape && (!valid || valid.shape == uncertainty.shape), kernel,
             ": weights ", weights.shape, " and valid ", valid.shape, " of uncertainty ", uncertainty.shape);
  with_type(kernel, weights.dtype, [&](auto type) {
    using T = decltype(type);
    const T *u = uncertainty.as<T>(), *mask = valid ? valid.as<T>() : nullptr;
    T* out = weights.as<T>();
    parallel_chunks(weights.shape.elements(), kGrain, [=, &f](Index begin, Index end) {
      if (mask) {  // NOLINT(bugprone-branch-clone): the loops differ
#pragma omp simd
        for (Index i = begin; i < end; ++i) out[i] = mask[i] * f(u[i]);
      } else {
#pragma omp simd
        for (Index i = begin; i < end; ++i) out[i] = f(u[i]);
      }
    });
  });
}

class RefSampling final : public SamplingKernels {
 public:
  void accumulate_samples(ConstView logits, Index passes, const SampleSums& sums, Accum accum) override {
    check_sums(sums);
    const Shape& shape = sums.probability.shape;
    DUET_CHECK(passes >= 1 && logits.shape == shape.with_batch(shape.n * passes),
               "accumulate_samples: logits ", logits.shape, " of ", passes, " passes onto ", shape);
    with_type("accumulate_samples", logits.dtype, [&](auto type) {
      using T = decltype(type);
      const T* z = logits.as<T>();
      const Sums<T> to{sums.probability.as<T>(), sums.entropy.as<T>(), sums.square.as<T>()};
      with_channels(shape.c, [&](auto classes) { add_passes(z, passes, shape.rows(), classes, to, accum); });
    });
  }

  void finish_samples(UncertaintyKind kind, Index passes, const SampleSums& sums, View uncertainty) override {
    check_sums(sums);
    DUET_CHECK(passes >= 1 && uncertainty.shape == sums.probability.shape.with_channels(1),
               "finish_samples: ", passes, " passes, uncertainty ", uncertainty.shape, " of ",
               sums.probability.shape);
    with_type("finish_samples", uncertainty.dtype, [&](auto type) {
      with_channels(sums.probability.shape.c,
                    [&](auto classes) { finish<decltype(type)>(kind, passes, sums, classes, uncertainty); });
    });
  }

  void weights_towards_uncertain(ConstView uncertainty, double alpha, ConstView valid,
                                 View weights) override {
    weigh("weights_towards_uncertain", uncertainty, valid, weights,
          [alpha](auto u) { return decltype(u)(1) + static_cast<decltype(u)>(alpha) * u; });
  }
  void weights_towards_certain(ConstView uncertainty, double beta, ConstView valid, View weights) override {
    weigh("weights_towards_certain", uncertainty, valid, weights,
          [beta](auto u) { return std::exp(-static_cast<decltype(u)>(beta) * u); });
  }

  void maximum(ConstView a, ConstView b, View y) override {
    DUET_CHECK(a.shape == y.shape && b.shape == y.shape, "maximum: ", a.shape, " and ", b.shape, " into ",
               y.shape);
    with_type("maximum", y.dtype, [&](auto type) {
      using T = decltype(type);
      const T *left = a.as<T>(), *right = b.as<T>();
      T* out = y.as<T>();
      parallel_chunks(y.shape.elements(), kGrain, [=](Index begin, Index end) {
#pragma omp simd
        for (Index i = begin; i < end; ++i) out[i] = functors::Maximum{}(left[i], right[i]);
      });
    });
  }

  void argmax(ConstView x, View classes) override {
    DUET_CHECK(classes.shape == x.shape.with_channels(1) && x.shape.c <= 256, "argmax: classes ",
               classes.shape, " of ", x.shape);
    std::uint8_t* out = classes.as<std::uint8_t>();
    const Index channels = x.shape.c;
    with_type("argmax", x.dtype, [&](auto type) {
      using T = decltype(type);
      const T* in = x.as<T>();
      parallel_chunks(x.shape.rows(), kVoxels, [=](Index begin, Index end) {
        for (Index row = begin; row < end; ++row) {
          const T* value = in + row * channels;
          out[row] = static_cast<std::uint8_t>(std::max_element(value, value + channels) - value);
        }
      });
    });
  }
};

}  // namespace
}  // namespace duet::ref

namespace duet {

std::unique_ptr<SamplingKernels> make_ref_sampling() { return std::make_unique<ref::RefSampling>(); }

}  // namespace duet
