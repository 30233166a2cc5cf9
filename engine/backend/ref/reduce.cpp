#include "engine/backend/ref/loss_parts.h"
#include "engine/kernels/dispatch.h"

namespace duet::ref {
namespace {

template <class T>
void store(T* y, Accum accum, double value) {
  *y = static_cast<T>(accum == Accum::add ? static_cast<double>(*y) + value : value);
}

// Space is summed over: sums of each sample and channel first, then over samples and channels as asked.
template <class T>
void sum_over_space(const Memory& memory, const Reduction& axes, ConstView x, double factor, T* y,
                    Accum accum) {
  const Chunks chunks(x.shape);
  const Index channels = chunks.channels, width = lane_width(channels);
  const T* const in = x.as<T>();
  const Scratch<double> scratch(memory, chunks.tasks() * width, "reduce_sum");
  for_chunks(chunks, [&](const Chunk& chunk) {
    const T* const values = in + chunk.begin;
    double* const sum = scratch.data() + chunk.task * width;
    std::fill(sum, sum + width, 0.0);
    for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
      for (Index l = 0; l < n; ++l) sum[l] += static_cast<double>(values[i + l]);
    });
    fold(sum, channels, width);
    if (axes.c) fold(sum, 1, channels);
  });
  const Index samples = axes.n ? 1 : chunks.samples, kept = axes.c ? 1 : channels;
  const Index tasks = chunks.tasks() / samples;
  parallel_for(samples * kept, [&](Index at) {
    const Index sample = at / kept, c = at - sample * kept;
    double total = 0;
    for (Index task = sample * tasks; task < (sample + 1) * tasks; ++task)
      total += scratch.data()[task * width + c];
    store(y + at, accum, factor * total);
  });
}

// Space is kept: y (samples, voxels, kept channels).
template <class T>
void sum_beside_space(const Reduction& axes, ConstView x, double factor, T* y, Accum accum) {
  const Index samples = axes.n ? x.shape.n : 1;  // of one sum
  const Index step = x.shape.voxels() * x.shape.c;
  const T* const in = x.as<T>();
  Shape out = x.shape;
  out.n /= samples;
  with_accum(accum, [&](auto add) {
    if (axes.c) {
      for_voxels(out, [=](Index v, auto channels) {
        double total = 0;
        for (Index n = 0; n < samples; ++n) {
          for (Index c = 0; c < channels; ++c) total += static_cast<double>(in[n * step + v * channels + c]);
        }
        put<decltype(add)::value>(y[v], static_cast<T>(factor * total));
      });
    } else {
      parallel_chunks(out.elements(), kChunk, [=](Index begin, Index end) {
        for (Index i = begin; i < end; ++i) {
          double total = 0;
          for (Index n = 0; n < samples; ++n) total += static_cast<double>(in[n * step + i]);
          put<decltype(add)::value>(y[i], static_cast<T>(factor * total));
        }
      });
    }
  });
}

}  // namespace

void reduce_sum(const Memory& memory, const Reduction& axes, ConstView x, double factor, View y,
                Accum accum) {
  check_same("reduce_sum", y.shape, reduced_shape(axes, x.shape));
  with_type("reduce_sum", x.dtype, [&](auto t) {
    using T = decltype(t);
    if (axes.space) {
      sum_over_space<T>(memory, axes, x, factor, y.as<T>(), accum);
    } else {
      sum_beside_space<T>(axes, x, factor, y.as<T>(), accum);
    }
  });
}

void broadcast(const Memory& memory, const Reduction& axes, ConstView x, double factor, View y, Accum accum) {
  check_same("broadcast", x.shape, reduced_shape(axes, y.shape));
  const Chunks chunks(y.shape);
  const Index channels = chunks.channels, width = lane_width(channels);
  with_type("broadcast", x.dtype, [&](auto type) {
    using T = decltype(type);
    const T* const in = x.as<T>();
    T* const out = y.as<T>();
    const T f = static_cast<T>(factor);
    const Scratch<T> table(memory, chunks.samples * width, "broadcast");
    if (axes.space) {  // one value for each sample and lane
      for (Index n = 0; n < chunks.samples; ++n) {
        T* const lanes = table.data() + n * width;
        const T* const from = in + (axes.n ? 0 : n * x.shape.c);
        std::copy(from, from + x.shape.c, lanes);
        tile(lanes, x.shape.c, width);
      }
    }
    with_accum(accum, [&](auto add) {
      for_chunks(chunks, [&](const Chunk& chunk) {
        constexpr bool kAdd = decltype(add)::value;
        T* const to = out + chunk.begin;
        const T* const lanes = table.data() + chunk.sample * width;
        const Index voxel = chunk.begin / channels - (axes.n ? chunk.sample * chunks.voxels : 0);
        const T* const from = in + voxel * x.shape.c;
        if (axes.space) {
          for_rows(chunk.count, width, [=](Index i, Index n) {
#pragma omp simd
            for (Index l = 0; l < n; ++l) put<kAdd>(to[i + l], f * lanes[l]);
          });
        } else if (axes.c) {  // one value for each voxel
          with_channels(channels, [=](auto channels) {
            for (Index v = 0; v < chunk.count / channels; ++v) {
              for (Index c = 0; c < channels; ++c) put<kAdd>(to[v * channels + c], f * from[v]);
            }
          });
        } else {
#pragma omp simd
          for (Index i = 0; i < chunk.count; ++i) put<kAdd>(to[i], f * from[i]);
        }
      });
    });
  });
}

void dot(const Memory& memory, ConstView a, ConstView b, View out, Accum accum) {
  check_same("dot", a.shape, b.shape);
  const Chunks chunks(1, a.shape.elements(), 1);
  const Index width = lane_width(1);
  const Scratch<double> scratch(memory, chunks.tasks() * width, "dot");
  with_type("dot", a.dtype, [&](auto t) {
    using T = decltype(t);
    const T* const x = a.as<T>();
    const T* const y = b.as<T>();
    for_chunks(chunks, [&](const Chunk& chunk) {
      double* const sum = scratch.data() + chunk.task * width;
      std::fill(sum, sum + width, 0.0);
      for_rows(chunk.count, width, [=, begin = chunk.begin](Index i, Index n) {
        const Index at = begin + i;
#pragma omp simd
        for (Index l = 0; l < n; ++l)
          sum[l] += static_cast<double>(x[at + l]) * static_cast<double>(y[at + l]);
      });
      fold(sum, 1, width);
    });
  });
  double total = 0;
  for (Index task = 0; task < chunks.tasks(); ++task) total += scratch.data()[task * width];
  store(out.as<double>(), accum, total);
}

}  // namespace duet::ref
