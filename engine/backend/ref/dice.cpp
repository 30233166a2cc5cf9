#include <vector>

#include "engine/backend/ref/dice_parts.h"
#include "engine/backend/ref/loss_parts.h"
#include "engine/kernels/dispatch.h"

namespace duet::ref {
namespace {

template <class T, class Target>
void add_voxel(Index channels, Index v, double w, const T* p, Target t, double* sums) {
#pragma omp simd
  for (Index c = 0; c < channels; ++c) {
    const double wp = w * static_cast<double>(p[v * channels + c]),
                 share = static_cast<double>(t(v, c, channels));
    sums[c] += wp * share;
    sums[channels + c] += wp;
    sums[2 * channels + c] += w * share;
  }
}

}  // namespace

Index first_class(const DiceSpec& spec, Index channels) {
  const Index first = spec.background ? 0 : 1;
  DUET_CHECK(first < channels, "dice: one class and no background leave nothing");
  return first;
}

double dice_of_sums(const DiceSpec& spec, const double* sums, Index channels) {
  const Index first = first_class(spec, channels);
  double sum = 0;
  for (Index c = first; c < channels; ++c) {
    sum +=
        1.0 - (2.0 * sums[c] + spec.epsilon) / (sums[channels + c] + sums[2 * channels + c] + spec.epsilon);
  }
  return sum / static_cast<double>(channels - first);
}

void dice_forward(const Memory& memory, const DiceSpec& spec, ConstView probabilities, LossTarget target,
                  ConstView weights, View sums, View loss) {
  check_loss("dice", probabilities, target, weights);
  const Index channels = probabilities.shape.c;
  check_same("dice", sums.shape, {1, 1, 1, 3, channels});
  const Chunks chunks(1, probabilities.shape.rows(), channels);
  const Scratch<double> partial(memory, chunks.tasks() * 3 * channels, "dice");
  double* const total = sums.as<double>();

  with_type("dice", probabilities.dtype, [&](auto type) {
    using T = decltype(type);
    const T* const p = probabilities.as<T>();
    const T* const w = data_or_null<T>(weights);
    with_target<T>(target, [&](auto t) {
      with_channels(channels, [&](auto channels) {
        for_chunks(chunks, [=, &partial](const Chunk& chunk) {
          double* const mine = partial.data() + chunk.task * 3 * channels;
          std::fill(mine, mine + 3 * channels, 0.0);
          const Index first_voxel = chunk.begin / channels, last = first_voxel + chunk.count / channels;
          if constexpr (std::is_same_v<decltype(channels), Index>) {
            for (Index v = first_voxel; v < last; ++v) {
              add_voxel(channels, v, w ? static_cast<double>(w[v]) : 1.0, p, t, mine);
            }
          } else {  // few sums stay in registers
            double few[3 * decltype(channels)::value] = {};
            for (Index v = first_voxel; v < last; ++v) {
              add_voxel(channels, v, w ? static_cast<double>(w[v]) : 1.0, p, t, few);
            }
            std::copy(few, few + 3 * channels, mine);
          }
        });
      });
    });
    std::fill(total, total + 3 * channels, 0.0);
    for (Index task = 0; task < chunks.tasks(); ++task) {
      for (Index i = 0; i < 3 * channels; ++i) total[i] += partial.data()[task * 3 * channels + i];
    }
    *loss.as<T>() = static_cast<T>(dice_of_sums(spec, total, channels));
  });
}

void dice_backward(const DiceSpec& spec, LossTarget target, ConstView weights, ConstView sums,
                   ConstView dloss, View dprobabilities, Accum accum) {
  check_loss("dice_backward", dprobabilities, target, weights);
  const Index channels = dprobabilities.shape.c;
  check_same("dice_backward", sums.shape, {1, 1, 1, 3, channels});

  with_type("dice_backward", dprobabilities.dtype, [&](auto type) {
    using T = decltype(type);
    const T* const w = data_or_null<T>(weights);
    T* const out = dprobabilities.as<T>();
    std::vector<T> base, slope;
    dice_slopes(spec, sums.as<double>(), channels, static_cast<double>(*dloss.as<T>()), base, slope);
    with_accum(accum, [&](auto add) {
      with_target<T>(target, [&](auto t) {
        for_voxels(dprobabilities.shape, [=, a = slope.data(), b = base.data()](Index v, auto channels) {
          const T weight = w ? w[v] : T(1);
          for (Index c = 0; c < channels; ++c) {
            put<decltype(add)::value>(out[v * channels + c], weight * (b[c] - t(v, c, channels) * a[c]));
          }
        });
      });
    });
  });
}

}  // namespace duet::ref
