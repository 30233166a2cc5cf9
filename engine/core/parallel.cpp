#include "engine/core/parallel.h"

#include <omp.h>

namespace duet {

int max_threads() { return omp_get_max_threads(); }
void set_threads(int threads) { omp_set_num_threads(threads); }

}  // namespace duet
