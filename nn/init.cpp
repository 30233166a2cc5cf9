#include "nn/init.h"

#include <cmath>
#include <type_traits>

#include "engine/core/parallel.h"

namespace duet {

double initial_deviation(Initialisation kind, const Fan& fan) {
  const Index sum = kind == Initialisation::kaiming ? fan.in : fan.in + fan.out;
  return std::sqrt(2.0 / static_cast<double>(sum));
}

Tensor draw_weights(Backend& backend, const Shape& shape, DType dtype, double deviation,
                    const PhiloxKey& key) {
  // Of the allocator from the first: a network that does not fit is refused before anything is drawn.
  const Tensor drawn(backend.host, shape, dtype, "weights");
  const auto draw = [&](auto* values) {
    using T = std::remove_pointer_t<decltype(values)>;
    parallel_chunks(shape.elements(), 4096, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        values[i] = static_cast<T>(deviation * draw_normal(key, 0, static_cast<std::uint64_t>(i)));
    });
  };
  if (dtype == DType::f64) {
    draw(drawn.data<double>());
  } else {
    draw(drawn.data<float>());
  }
  return moved_to(backend.memory, drawn);
}

}  // namespace duet
