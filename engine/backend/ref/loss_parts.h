// The parts of the reference LossKernels (loss.cpp): softmax.cpp, dice.cpp and reduce.cpp. Contracts:
// engine/kernels/loss.h.
#pragma once

#include <memory>
#include <type_traits>

#include "engine/backend/ref/chunks.h"
#include "engine/backend/ref/exponential.h"
#include "engine/backend/ref/scratch.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/loss.h"

namespace duet::ref {

using Memory = std::shared_ptr<Allocator>;

void softmax_forward(ConstView x, View y);
void softmax_backward(ConstView y, ConstView dy, View dx, Accum accum);
void log_softmax_forward(ConstView x, View y);
void log_softmax_backward(ConstView y, ConstView dy, View dx, Accum accum);

void dice_forward(const Memory& memory, const DiceSpec& spec, ConstView probabilities, LossTarget target,
                  ConstView weights, View sums, View loss);
void dice_backward(const DiceSpec& spec, LossTarget target, ConstView weights, ConstView sums,
                   ConstView dloss, View dprobabilities, Accum accum);

void segmentation_loss_forward(const Memory& memory, const DiceSpec& spec, ConstView logits,
                               ConstView classes, ConstView weights, ConstView denominator, View sums,
                               View loss);
void segmentation_loss_backward(const Memory& memory, const DiceSpec& spec, ConstView logits,
                                ConstView classes, ConstView weights, ConstView denominator, ConstView sums,
                                ConstView dloss, View dlogits, Accum accum);

void reduce_sum(const Memory& memory, const Reduction& axes, ConstView x, double factor, View y, Accum accum);
void broadcast(const Memory& memory, const Reduction& axes, ConstView x, double factor, View y, Accum accum);
void dot(const Memory& memory, ConstView a, ConstView b, View out, Accum accum);

// Throws EngineError unless target and weights fit scores (logits or probabilities), class indices included.
void check_loss(const char* kernel, ConstView scores, LossTarget target, ConstView weights);

template <class T>
inline T greatest(const T* x, Index channels) {
  T m = x[0];
  for (Index c = 1; c < channels; ++c) m = x[c] > m ? x[c] : m;
  return m;
}

// sum_c exp(z_c - m), m the greatest of them.
template <class T, class Channels>
inline double sum_exp(const T* z, T m, Channels channels) {
  constexpr Index kBlock = 16;  // exponentials at once; the sum goes in order
  double sum = 0;
  for (Index first = 0; first < channels; first += kBlock) {
    const Index n = std::min<Index>(kBlock, channels - first);
    T e[kBlock];
    for (Index c = 0; c < n; ++c) e[c] = exp_nonpositive(z[first + c] - m);
    for (Index c = 0; c < n; ++c) sum += static_cast<double>(e[c]);
  }
  return sum;
}

// The share t of class c in the target of voxel v.
template <class T>
struct SoftTarget {
  const T* shares;
  T operator()(Index v, Index c, Index channels) const { return shares[v * channels + c]; }
};
template <class T>
struct HardTarget {
  const std::uint8_t* classes;
  T operator()(Index v, Index c, Index) const { return c == classes[v] ? T(1) : T(0); }
};

template <class T, class F>
void with_target(LossTarget target, F&& f) {
  if (target.soft()) {
    f(SoftTarget<T>{target.values.as<T>()});
  } else {
    f(HardTarget<T>{target.values.as<std::uint8_t>()});
  }
}

template <class T>
const T* data_or_null(ConstView view) {
  return view ? view.as<T>() : nullptr;
}

// Calls body(v, channels) for every voxel, over threads. Few channels are a constant, and then voxels fill
// the vectors; otherwise channels do. body must hold plain pointers by value.
template <class Body>
void for_voxels(const Shape& shape, const Body& body) {
  with_channels(shape.c, [&](auto channels) {
    for_chunks(Chunks(1, shape.rows(), shape.c), [&](const Chunk& chunk) {
      const Body at = body;
      const Index first = chunk.begin / channels, last = first + chunk.count / channels;
      if constexpr (std::is_same_v<decltype(channels), Index>) {
        for (Index v = first; v < last; ++v) at(v, channels);
      } else {
#pragma omp simd
        for (Index v = first; v < last; ++v) at(v, channels);
      }
    });
  });
}

// sum over all voxels of value(v), each a double: per run of voxels over threads, then in order.
template <class Value>
double sum_of_voxels(const Memory& memory, Index voxels, Index channels, const Value& value) {
  const Chunks chunks(1, voxels, channels);
  const Scratch<double> partial(memory, chunks.tasks(), "loss");
  for_chunks(chunks, [&](const Chunk& chunk) {
    const Value at = value;
    const Index first = chunk.begin / channels, last = (chunk.begin + chunk.count) / channels;
    double sum = 0;
    for (Index v = first; v < last; ++v) sum += at(v);
    partial.data()[chunk.task] = sum;
  });
  double total = 0;
  for (Index task = 0; task < chunks.tasks(); ++task) total += partial.data()[task];
  return total;
}

}  // namespace duet::ref
