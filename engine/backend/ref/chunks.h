// How the loops of norm, pointwise, loss and reduction kernels are cut. A tensor is samples x voxels x
// channels; a chunk is a run of whole voxels of one sample, of fixed size, and one task of a thread. Sums are
// made per chunk, then in chunk order, so they do not depend on the number of threads.
//
// Lanes: channels come fastest, so element i of a chunk has channel i % C. Loops go over rows of `width`
// elements, a multiple of C that fills vectors even where C is 1, and keep one coefficient or one sum for
// each lane: no division in any loop.
#pragma once

#include <algorithm>

#include "engine/core/parallel.h"
#include "engine/core/shape.h"

namespace duet::ref {

constexpr Index kChunk = 1 << 14;  // elements of a task

struct Chunk {
  Index task;  // in order of samples, then voxels
  Index sample;
  Index begin;  // first element in the tensor
  Index count;  // elements
};

struct Chunks {
  Index samples, voxels, channels;
  Index rows;        // voxels of a chunk
  Index per_sample;  // chunks

  explicit Chunks(const Shape& x) : Chunks(x.n, x.voxels(), x.c) {}
  Chunks(Index samples, Index voxels, Index channels)
      : samples(samples),
        voxels(voxels),
        channels(channels),
        rows(std::max<Index>(1, kChunk / channels)),
        per_sample((voxels + rows - 1) / rows) {}

  Index tasks() const { return samples * per_sample; }
  Chunk at(Index task) const {
    const Index sample = task / per_sample;
    const Index first = (task - sample * per_sample) * rows;
    return {task, sample, (sample * voxels + first) * channels, std::min(rows, voxels - first) * channels};
  }
};

// Calls body(Chunk) for every chunk, over threads.
template <class Body>
void for_chunks(const Chunks& chunks, const Body& body) {
  parallel_for(chunks.tasks(), [&](Index task) { body(chunks.at(task)); });
}

// Calls body(i, n) for the rows of lanes [i, i + n) of count elements; lane l of a row is element i + l.
template <class Body>
inline void for_rows(Index count, Index width, const Body& body) {
  for (Index i = 0; i < count; i += width) body(i, std::min(width, count - i));
}

// The least multiple of the channels from 64 up.
inline Index lane_width(Index channels) { return channels * ((64 + channels - 1) / channels); }

// Repeats the first `channels` values over all lanes.
template <class T>
inline void tile(T* lanes, Index channels, Index width) {
  for (Index l = channels; l < width; ++l) lanes[l] = lanes[l - channels];
}

// Adds all lanes of a channel onto its first lane.
inline void fold(double* lanes, Index channels, Index width) {
  for (Index base = channels; base < width; base += channels) {
    for (Index c = 0; c < channels; ++c) lanes[c] += lanes[base + c];
  }
}

}  // namespace duet::ref
