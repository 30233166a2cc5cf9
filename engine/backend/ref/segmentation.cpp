// Cross-entropy and Dice of a softmax in one pass: with p = softmax(z), weights w, classes t and Dice's own
// sums,
//   loss = sum_v w (ln sum_k exp(z_k) - z_t) / denominator + Dice(p)
//   dz_c = dloss (w / denominator (p_c - [c = t]) + p_c (q_c - sum_k p_k q_k)),  q_c = dDice / dp_c
// Nothing but the logits is read, and the gradient alone is written.
#include <vector>

#include "engine/backend/ref/dice_parts.h"
#include "engine/backend/ref/loss_parts.h"

namespace duet::ref {
namespace {

constexpr Index kBlock = 64;  // voxels whose softmax is made at once, so that it vectorises over voxels

// p (C, kBlock) and the cross-entropy of `count` voxels from z (count, C).
template <class T, class Channels>
void softmax_block(const T* z, const std::uint8_t* classes, Index count, Channels channels, T* p,
                   T* entropy) {
#pragma omp simd
  for (Index v = 0; v < count; ++v) {
    const T* row = z + v * channels;
    T top = row[0], wanted = 0, sum = 0;
    for (Index c = 1; c < channels; ++c) top = row[c] > top ? row[c] : top;
    for (Index c = 0; c < channels; ++c) {
      const T e = exp_nonpositive(row[c] - top);
      p[c * kBlock + v] = e;
      sum += e;
      wanted += c == classes[v] ? row[c] - top : T(0);
    }
    const T scale = T(1) / sum;
    for (Index c = 0; c < channels; ++c) p[c * kBlock + v] *= scale;
    entropy[v] = log_positive(sum) - wanted;
  }
}

// Sums of a run of voxels: cross-entropy, then for each class sum w p t, sum w p, sum w t. Blocks add in T.
template <class T, class Channels>
void sum_blocks(const T* z, const std::uint8_t* classes, const T* w, Index count, Channels channels, T* p,
                double* sums) {
  T entropy[kBlock];
  for (Index first = 0; first < count; first += kBlock) {
    const Index n = std::min(kBlock, count - first);
    softmax_block(z + first * channels, classes + first, n, channels, p, entropy);
    T total = 0;
#pragma omp simd reduction(+ : total)
    for (Index v = 0; v < n; ++v) total += (w ? w[first + v] : T(1)) * entropy[v];
    sums[0] += static_cast<double>(total);
    for (Index c = 0; c < channels; ++c) {
      T overlap = 0, predicted = 0, wanted = 0;
#pragma omp simd reduction(+ : overlap, predicted, wanted)
      for (Index v = 0; v < n; ++v) {
        const T weight = w ? w[first + v] : T(1), t = classes[first + v] == c ? weight : T(0);
        overlap += t * p[c * kBlock + v];
        predicted += weight * p[c * kBlock + v];
        wanted += t;
      }
      sums[1 + c] += static_cast<double>(overlap);
      sums[1 + channels + c] += static_cast<double>(predicted);
      sums[1 + 2 * channels + c] += static_cast<double>(wanted);
    }
  }
}

template <bool kAdd, class T, class Channels>
void gradient_blocks(const T* z, const std::uint8_t* classes, const T* w, Index count, Channels channels,
                     T entropy_factor, const T* base, const T* slope, T* p, T* dz) {
  T entropy[kBlock];
  for (Index first = 0; first < count; first += kBlock) {
    const Index n = std::min(kBlock, count - first);
    softmax_block(z + first * channels, classes + first, n, channels, p, entropy);
#pragma omp simd
    for (Index v = 0; v < n; ++v) {
      const T weight = w ? w[first + v] : T(1);
      T inner = 0;
      for (Index c = 0; c < channels; ++c) {
        const T t = classes[first + v] == c ? T(1) : T(0);
        inner += p[c * kBlock + v] * (base[c] - t * slope[c]);
      }
      for (Index c = 0; c < channels; ++c) {
        const T t = classes[first + v] == c ? T(1) : T(0), pc = p[c * kBlock + v];
        const T value = weight * (entropy_factor * (pc - t) + pc * (base[c] - t * slope[c] - inner));
        put<kAdd>(dz[(first + v) * channels + c], value);
      }
    }
  }
}

}  // namespace

void segmentation_loss_forward(const Memory& memory, const DiceSpec& spec, ConstView logits,
                               ConstView classes, ConstView weights, ConstView denominator, View sums,
                               View loss) {
  check_loss("segmentation_loss", logits, {classes}, weights);
  const Index channels = logits.shape.c;
  check_same("segmentation_loss", sums.shape, {1, 1, 1, 3, channels});
  const Chunks chunks(1, logits.shape.rows(), channels);
  const Index width = 1 + 3 * channels;
  const Scratch<double> partial(memory, chunks.tasks() * width, "segmentation_loss");
  const std::uint8_t* const t = classes.as<std::uint8_t>();
  with_type("segmentation_loss", logits.dtype, [&](auto type) {
    using T = decltype(type);
    const T *const z = logits.as<T>(), *const w = data_or_null<T>(weights);
    const Scratch<T> blocks(memory, chunks.tasks() * channels * kBlock, "segmentation_loss");
    with_channels(channels, [&](auto c) {
      for_chunks(chunks, [&](const Chunk& chunk) {
        double* const mine = partial.data() + chunk.task * width;
        std::fill(mine, mine + width, 0.0);
        const Index first = chunk.begin / channels;
        sum_blocks(z + chunk.begin, t + first, w ? w + first : nullptr, chunk.count / channels, c,
                   blocks.data() + chunk.task * channels * kBlock, mine);
      });
    });
    double entropy = 0;
    double* const total = sums.as<double>();
    std::fill(total, total + 3 * channels, 0.0);
    for (Index task = 0; task < chunks.tasks(); ++task) {
      entropy += partial.data()[task * width];
      for (Index i = 0; i < 3 * channels; ++i) total[i] += partial.data()[task * width + 1 + i];
    }
    *loss.as<T>() = static_cast<T>(entropy / static_cast<double>(*denominator.as<T>()) +
                                   dice_of_sums(spec, total, channels));
  });
}

void segmentation_loss_backward(const Memory& memory, const DiceSpec& spec, ConstView logits,
                                ConstView classes, ConstView weights, ConstView denominator, ConstView sums,
                                ConstView dloss, View dlogits, Accum accum) {
  check_loss("segmentation_loss_backward", logits, {classes}, weights);
  check_same("segmentation_loss_backward", logits.shape, dlogits.shape);
  const Index channels = logits.shape.c;
  const Chunks chunks(1, logits.shape.rows(), channels);
  const std::uint8_t* const t = classes.as<std::uint8_t>();
  with_type("segmentation_loss_backward", logits.dtype, [&](auto type) {
    using T = decltype(type);
    const T *const z = logits.as<T>(), *const w = data_or_null<T>(weights);
    T* const dz = dlogits.as<T>();
    const double d = static_cast<double>(*dloss.as<T>());
    const T factor = static_cast<T>(d / static_cast<double>(*denominator.as<T>()));
    std::vector<T> base, slope;
    dice_slopes(spec, sums.as<double>(), channels, d, base, slope);
    const Scratch<T> blocks(memory, chunks.tasks() * channels * kBlock, "segmentation_loss");
    with_accum(accum, [&](auto add) {
      with_channels(channels, [&](auto c) {
        for_chunks(chunks, [&](const Chunk& chunk) {
          const Index first = chunk.begin / channels;
          gradient_blocks<decltype(add)::value>(
              z + chunk.begin, t + first, w ? w + first : nullptr, chunk.count / channels, c, factor,
              base.data(), slope.data(), blocks.data() + chunk.task * channels * kBlock, dz + chunk.begin);
        });
      });
    });
  });
}

}  // namespace duet::ref
