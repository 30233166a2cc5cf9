#include "engine/core/parallel.h"

#include <atomic>
#include <omp.h>

namespace duet {
namespace {

std::atomic<int> wanted{0};  // 0: not set

}  // namespace

int max_threads() {
  const int set = wanted.load(std::memory_order_relaxed);
  return set > 0 ? set : omp_get_max_threads();
}

// Libraries ask OpenMP, whose own number is one of the calling thread.
void set_threads(int threads) {
  wanted = threads;
  omp_set_num_threads(threads);
}

}  // namespace duet
