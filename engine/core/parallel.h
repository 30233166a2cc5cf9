// Loops over threads with fixed chunks: a chunk's bounds depend on the sizes alone, never on the number of
// threads, so sums that are made per chunk and then in chunk order are the same for any number of threads.
#pragma once

#include <algorithm>
#include <exception>

#include "engine/core/shape.h"

namespace duet {

int max_threads();              // as set, else OpenMP's (OMP_NUM_THREADS, the processor's)
void set_threads(int threads);  // threads >= 1; for the whole process, whichever thread calls

// Calls body(begin, end) over [0, count) in chunks of `grain`; exceptions of the body are rethrown in the
// caller.
template <class Body>
void parallel_chunks(Index count, Index grain, const Body& body) {
  const Index chunks = (count + grain - 1) / grain;
  if (chunks <= 0) return;
  // One chunk goes through the same region: a direct call would be a second compiled copy of body, in which
  // the compiler may fuse other multiply-adds (GCC 13 did), so that bits would depend on how many chunks
  // there are.
  std::exception_ptr failure;
#pragma omp parallel for schedule(static) num_threads(max_threads()) if (chunks > 1)
  for (Index chunk = 0; chunk < chunks; ++chunk) {
    try {
      body(chunk * grain, std::min(count, (chunk + 1) * grain));
    } catch (...) {
#pragma omp critical(duet_parallel_failure)
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// Calls body(i) for every i in [0, count).
template <class Body>
void parallel_for(Index count, const Body& body) {
  parallel_chunks(count, 1, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) body(i);
  });
}

}  // namespace duet
