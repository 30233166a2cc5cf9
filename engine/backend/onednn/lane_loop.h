// How the loops of normalisation are cut. Channels come fastest, so a row of W = kVector kVectors elements
// repeats the channels where C divides W, and a block of W channels is a row of its own where W divides C:
// either way each lane keeps its channel from row to row, and its coefficients and sums stay in registers.
// Tasks are runs of rows of one sample, cut by sizes alone, so that sums do not depend on the number of
// threads.
#pragma once

#include <algorithm>

#include "engine/backend/onednn/vectors.h"
#include "engine/core/parallel.h"

namespace duet::onednn {

struct LaneLoop {
  Index samples, sample_size, channels;
  Index width;   // W
  Index blocks;  // of W channels
  Index stride;  // elements from one row to the next
  Index rows;    // of a sample and block, whole ones
  Index tail;    // elements after them, fewer than W (only where C divides W)
  Index tasks_of_sample, rows_of_task;

  // vectors: 4 or 3; fits() says which. task_elements: about as many are one task.
  LaneLoop(const Shape& x, Index vectors, Index task_elements)
      : samples(x.n),
        sample_size(x.voxels() * x.c),
        channels(x.c),
        width(kVector * vectors),
        blocks(std::max<Index>(1, x.c / width)),
        stride(width * blocks),
        rows(sample_size / stride),
        tail(sample_size % stride),
        rows_of_task(std::max<Index>(1, task_elements / stride)) {
    tasks_of_sample = std::max<Index>(1, (rows + rows_of_task - 1) / rows_of_task);
  }

  Index tasks() const { return samples * tasks_of_sample; }
  Index lanes() const { return std::max(width, channels); }  // coefficients of a sample

  struct Task {
    Index sample, first, last;  // rows
    Index begin;                // element of row `first`, block 0
    Index tail;                 // elements after row `last`, part of this task
  };
  Task task(Index number) const {
    const Index sample = number / tasks_of_sample, part = number % tasks_of_sample;
    const Index first = part * rows_of_task, last = std::min(rows, first + rows_of_task);
    return {sample, first, last, sample * sample_size + first * stride,
            part + 1 == tasks_of_sample ? tail : 0};
  }
  Index voxels_of(const Task& t) const { return ((t.last - t.first) * stride + t.tail) / channels; }
};

// How many vectors wide a row is for this many channels; 0: not by these loops.
inline Index vectors_for(Index channels) {
  for (const Index vectors : {Index{4}, Index{3}}) {
    const Index width = kVector * vectors;
    if (width % channels == 0 || channels % width == 0) return vectors;
  }
  return 0;
}

}  // namespace duet::onednn
