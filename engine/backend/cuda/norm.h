// What the parts of normalisation share: which mean and variance a value belongs to, and sums over the voxels
// of each sample. Used by norm.cu and norm_statistics.cu.
#pragma once

#include "engine/backend/cuda/columns.h"
#include "engine/backend/cuda/cuda.h"

namespace duet::cuda {

// Mean and var are (sets, groups): a set is a run of samples, a group one of channels.
struct NormSets {
  Index sets, groups;
  Divider samples, channels;  // of a set and of a group
  Index count;                // values of one mean

  NormSets(const NormSpec& spec, const Shape& x) {
    const Shape shape = norm_statistics_shape(spec, x);
    sets = shape.n;
    groups = shape.c;
    samples = {x.n / sets};
    channels = {x.c / groups};
    count = samples.by * x.voxels() * channels.by;
  }
  DUET_HOST_DEVICE Index at(Index sample, Index channel) const {
    return samples.quotient(sample) * groups + channels.quotient(channel);
  }
};

// A thread sums S rows of a sample in the type that they are computed in before it adds them in double: their
// loads are under way at the same time, and few values are widened, which is slow on a GPU. The rows of a
// strip lie `count` apart, so that neighbouring threads read neighbouring rows.
template <int S>
struct Strips {
  Index rows, count;
  explicit Strips(Index rows_of_sample)
      : rows(rows_of_sample), count(ceil_divide(rows_of_sample, Index{S})) {}
  DUET_HOST_DEVICE bool has(Index strip, int j) const { return strip + j * count < rows; }
  DUET_HOST_DEVICE bool whole(Index strip) const { return has(strip, S - 1); }
};

// Row j, which it has, of a strip of the rows from x[first] on, as they are stored; `channels` is the length
// of a row.
template <int W, int S, class T>
DUET_HOST_DEVICE inline Pack<T, W> row_of(const Strips<S>& strips, Index strip, int j, const T* x,
                                          Index first, Index channels) {
  return *reinterpret_cast<const Pack<T, W>*>(x + first + (strip + j * strips.count) * channels);
}

// Two sums for each sample and channel of x over the strips of its voxels. terms.add<W>(sample, strip, first
// channel, sums) adds onto sums (2, W); finish(sample, channel, sums of 2). `vectorised`: pointers are
// aligned to 16 bytes.
template <class T, int S, class Terms, class Finish>
void sum_samples(const Room& room, const char* name, const Shape& x, bool vectorised, const Terms& terms,
                 const Finish& finish) {
  constexpr int W = kPack<T>;
  const Columns of{x.n, Strips<S>(x.voxels()).count, x.c};
  if (vectorised && x.c % W == 0) {
    sum_columns<2, W>(*room.driver, room.memory, name, of, terms, finish);
  } else {
    sum_columns<2, 1>(*room.driver, room.memory, name, of, terms, finish);
  }
}

// Writes mean and var (norm_statistics); shapes are checked.
void take_statistics(const Room& room, const NormSpec& spec, ConstView x, View mean, View var);

// As norm_update_running.
void update_running(const Room& room, ConstView mean, ConstView var, Index count, double momentum,
                    View running_mean, View running_var);

}  // namespace duet::cuda
