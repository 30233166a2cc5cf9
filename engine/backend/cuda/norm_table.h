// A table of coefficients for each sample and channel, made by a small kernel from statistics and parameters
// in double, so that the passes over x read what they need as it stands. Called by norm.cu.
#pragma once

#include <cmath>

#include "engine/backend/cuda/norm.h"

namespace duet::cuda {

// d = x - mean, z = factor d + offset; dx = factor dz + linear d + constant. The mean is taken off first, not
// folded into the offset: beside a small deviation that would cancel. kForward, kBackward: how many they
// need.
enum NormCoefficient { kMean, kFactor, kOffset, kForward, kLinear = kForward, kConstant, kBackward };

template <class C>
struct NormCoefficients {
  C* data;               // (N, rows, channels)
  Index rows, channels;  // rows: kForward or kBackward
  DUET_HOST_DEVICE Index at(Index sample, Index row, Index channel) const {
    return (sample * rows + row) * channels + channel;
  }
  template <int W>
  DUET_HOST_DEVICE Pack<C, W> get(Index sample, Index row, Index channel) const {
    return load<W>(data, at(sample, row, channel));
  }
};

// What forward and backward agree on, so that both see the same sign of z.
template <class C>
DUET_HOST_DEVICE inline C normalised(C d, C factor, C offset) {
  return d * factor + offset;
}

// Those of one sample and channel. With M values of one mean, xhat = (x - mean) r, r = 1 / sqrt(var + eps),
// and sums over the values of one mean:
//   dx = r (gamma dz - sum(gamma dz) / M - xhat sum(gamma dz xhat) / M)
// where statistics are fixed, both sums are left out.
template <class C>
struct MakeNormCoefficients {
  NormSets sets;
  double epsilon;
  const C *mean, *var, *gamma, *beta;
  const C* sums;  // (N, 2, C); empty: none
  Divider channels;
  NormCoefficients<C> to;

  DUET_HOST_DEVICE double scale(Index channel) const {
    return gamma ? static_cast<double>(gamma[channel]) : 1.0;
  }
  DUET_HOST_DEVICE void operator()(Index i) const {
    Index sample = i;
    const Index channel = channels.take(sample), at = sets.at(sample, channel);
    const double r = 1.0 / std::sqrt(static_cast<double>(var[at]) + epsilon);
    to.data[to.at(sample, kMean, channel)] = mean[at];
    to.data[to.at(sample, kFactor, channel)] = static_cast<C>(scale(channel) * r);
    to.data[to.at(sample, kOffset, channel)] = beta ? beta[channel] : C(0);
    if (to.rows == kBackward) correct(sample, channel, r);
  }
  DUET_HOST_DEVICE void correct(Index sample, Index channel, double r) const {
    double total = 0, product = 0;
    if (sums) {
      const Index n = sets.samples.quotient(sample) * sets.samples.by;
      const Index c = sets.channels.quotient(channel) * sets.channels.by;
      for (Index s = n; s < n + sets.samples.by; ++s) {
        const C* of = sums + 2 * s * channels.by;
        for (Index k = c; k < c + sets.channels.by; ++k) {
          total += scale(k) * static_cast<double>(of[k]);
          product += scale(k) * static_cast<double>(of[channels.by + k]);
        }
      }
    }
    const auto count = static_cast<double>(sets.count);
    to.data[to.at(sample, kConstant, channel)] = static_cast<C>(-(r * total / count));
    to.data[to.at(sample, kLinear, channel)] = static_cast<C>(-(r * r * product / count));
  }
};

// The table, in scratch memory. `sums`: norm_backward_sums, empty where rows are kForward or statistics are
// fixed.
template <class C>
class NormTable {
 public:
  NormTable(const Room& room, const NormSpec& spec, const NormOperands& in, Index rows, ConstView sums)
      : scratch_(room.memory, static_cast<std::size_t>(in.x.shape.n * rows * in.x.shape.c) * sizeof(C),
                 "norm"),
        coefficients_{static_cast<C*>(scratch_.data()), rows, in.x.shape.c} {
    const Shape& x = in.x.shape;
    for_items(*room.driver, "norm coefficients", x.n * x.c,
              MakeNormCoefficients<C>{NormSets(spec, x), spec.epsilon, in.mean.as<C>(), in.var.as<C>(),
                                      optional(in.gamma), optional(in.beta), optional(sums), Divider{x.c},
                                      coefficients_});
  }
  const NormCoefficients<C>& coefficients() const { return coefficients_; }

 private:
  static const C* optional(ConstView view) { return view ? view.as<C>() : nullptr; }
  Scratch scratch_;
  NormCoefficients<C> coefficients_;
};

}  // namespace duet::cuda
