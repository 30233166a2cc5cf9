#include "nn/init.h"

#include <cmath>
#include <vector>

#include "engine/core/parallel.h"

namespace duet {

double initial_deviation(Initialisation kind, const Fan& fan) {
  const Index sum = kind == Initialisation::kaiming ? fan.in : fan.in + fan.out;
  return std::sqrt(2.0 / static_cast<double>(sum));
}

Tensor draw_weights(Backend& backend, const Shape& shape, DType dtype, double deviation,
                    const PhiloxKey& key) {
  std::vector<double> values(static_cast<std::size_t>(checked_elements(shape)));
  parallel_chunks(shape.elements(), 4096, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      values[static_cast<std::size_t>(i)] = deviation * draw_normal(key, 0, static_cast<std::uint64_t>(i));
    }
  });
  return from_values(backend.memory, shape, dtype, values);
}

}  // namespace duet
