// Mean and variance in one pass over x: sums by sample and channel, shifted so that they do not cancel, then
// merged over what shares a mean.
#include "engine/backend/cuda/norm.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

constexpr int kMomentStrip = 8;

// Sums of d and d^2, d = x - shift; the shift is the sample's first voxel, near the mean as deviations go.
template <class T>
struct MomentTerms {
  static constexpr int kBlocks = 2;
  const T* x;
  Strips<kMomentStrip> strips;
  Index channels;
  template <int W>
  DUET_HOST_DEVICE void add(Index sample, Index strip, Index channel, double* sums) const {
    using C = Compute<T>;
    const Index first = sample * strips.rows * channels + channel;
    const Pack<C, W> shift = load<W>(x, first);
    Pack<C, W> sum{}, square{};
    const auto add_row = [&](const Pack<T, W>& row) {
      for (int i = 0; i < W; ++i) {
        const C d = static_cast<C>(row.v[i]) - shift.v[i];
        sum.v[i] += d;
        square.v[i] += d * d;
      }
    };
    const auto at = [&](int j) { return row_of<W>(strips, strip, j, x, first, channels); };
    if (strips.whole(strip)) {  // all but the last: no test between the loads
      Pack<T, W> values[kMomentStrip];
      DUET_UNROLL for (int j = 0; j < kMomentStrip; ++j) values[j] = at(j);
      DUET_UNROLL for (int j = 0; j < kMomentStrip; ++j) add_row(values[j]);
    } else {
      for (int j = 0; j < kMomentStrip && strips.has(strip, j); ++j) add_row(at(j));
    }
    for (int i = 0; i < W; ++i) {
      sums[i] += static_cast<double>(sum.v[i]);
      sums[W + i] += static_cast<double>(square.v[i]);
    }
  }
};

// What is kept of a sample's channel: mean, and squared differences from it.
struct Moments {
  double mean, m2;
};

// From sums of MomentTerms to moments (N, C), or straight to mean and var where each has its own (`parts`
// empty).
template <class T>
struct FinishMoments {
  const T* x;
  Index rows, channels;  // of a sample
  Moments* parts;
  Compute<T>*mean, *var;
  DUET_HOST_DEVICE void operator()(Index sample, Index channel, const double* sums) const {
    using C = Compute<T>;
    const auto count = static_cast<double>(rows);
    const auto shift = static_cast<double>(static_cast<C>(x[sample * rows * channels + channel]));
    const double average = shift + sums[0] / count;
    const double m2 = sums[1] - sums[0] * sums[0] / count;
    const double squares = m2 < 0 ? 0 : m2;  // by rounding; NaN stays
    const Index at = sample * channels + channel;
    if (parts) {
      parts[at] = {average, squares};
    } else {
      mean[at] = static_cast<C>(average);
      var[at] = static_cast<C>(squares / count);
    }
  }
};

// The parts of a mean are of `rows` values each, so that their mean is that of their means, and differences
// between the two add to the variance (Chan et al. 1979).
template <class C>
struct MergeMoments {
  const Moments* parts;  // (N, channels)
  NormSets sets;
  Index rows, channels;
  C *mean, *var;
  DUET_HOST_DEVICE void operator()(Index at) const {
    const Index set = at / sets.groups, group = at - set * sets.groups;
    const Moments* from = parts + set * sets.samples.by * channels + group * sets.channels.by;
    double sum = 0;
    for (Index n = 0; n < sets.samples.by; ++n) {
      for (Index c = 0; c < sets.channels.by; ++c) sum += from[n * channels + c].mean;
    }
    const double average = sum / static_cast<double>(sets.samples.by * sets.channels.by);
    double within = 0, between = 0;
    for (Index n = 0; n < sets.samples.by; ++n) {
      for (Index c = 0; c < sets.channels.by; ++c) {
        const Moments part = from[n * channels + c];
        const double difference = part.mean - average;
        within += part.m2;
        between += difference * difference;
      }
    }
    mean[at] = static_cast<C>(average);
    var[at] =
        static_cast<C>((within + between * static_cast<double>(rows)) / static_cast<double>(sets.count));
  }
};

template <class T>
void statistics(const Room& room, const NormSpec& spec, ConstView x, View mean, View var) {
  using C = Compute<T>;
  const NormSets sets(spec, x.shape);
  const Index channels = x.shape.c, rows = x.shape.voxels();
  const bool merge = sets.count != rows;
  const Scratch scratch(room.memory,
                        merge ? static_cast<std::size_t>(x.shape.n * channels) * sizeof(Moments) : 0,
                        "norm_statistics");
  auto* parts = static_cast<Moments*>(scratch.data());
  sum_samples<T, kMomentStrip>(room, "norm_statistics", x.shape, aligned(x.data),
                               MomentTerms<T>{x.as<T>(), Strips<kMomentStrip>(rows), channels},
                               FinishMoments<T>{x.as<T>(), rows, channels, parts, mean.as<C>(), var.as<C>()});
  if (merge) {
    for_items(*room.driver, "norm_statistics merge", sets.sets * sets.groups,
              MergeMoments<C>{parts, sets, rows, channels, mean.as<C>(), var.as<C>()});
  }
}

template <class C>
struct UpdateRunning {
  const C *mean, *var;  // (sets, channels)
  Index sets, channels;
  double momentum, unbiased;
  C *running_mean, *running_var;
  DUET_HOST_DEVICE double average(const C* values, Index channel) const {
    double sum = 0;
    for (Index set = 0; set < sets; ++set) sum += static_cast<double>(values[set * channels + channel]);
    return sum / static_cast<double>(sets);
  }
  DUET_HOST_DEVICE void move(C& running, double to) const {
    running = static_cast<C>((1.0 - momentum) * static_cast<double>(running) + momentum * to);
  }
  DUET_HOST_DEVICE void operator()(Index channel) const {
    move(running_mean[channel], average(mean, channel));
    move(running_var[channel], unbiased * average(var, channel));
  }
};

}  // namespace

void take_statistics(const Room& room, const NormSpec& spec, ConstView x, View mean, View var) {
  with_storage("norm_statistics", x.dtype,
               [&](auto type) { statistics<decltype(type)>(room, spec, x, mean, var); });
}

void update_running(const Room& room, ConstView mean, ConstView var, Index count, double momentum,
                    View running_mean, View running_var) {
  const Shape channels = Shape::vector(mean.shape.c);
  check_same("norm_update_running", mean.shape, var.shape);
  check_same("norm_update_running", running_mean.shape, channels);
  check_same("norm_update_running", running_var.shape, channels);
  const double unbiased = count > 1 ? static_cast<double>(count) / static_cast<double>(count - 1) : 1.0;
  with_type("norm_update_running", mean.dtype, [&](auto type) {
    using C = decltype(type);
    for_items(*room.driver, "norm_update_running", channels.c,
              UpdateRunning<C>{mean.as<C>(), var.as<C>(), mean.shape.n, channels.c, momentum, unbiased,
                               running_mean.as<C>(), running_var.as<C>()});
  });
}

}  // namespace duet::cuda
