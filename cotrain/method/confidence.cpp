#include "cotrain/method/confidence.h"

namespace duet {

Tensor confident(Backend& backend, double floor, const Tensor& probabilities, const Tensor& weights) {
  // The greatest channel is a maximum over windows of 1 x 1 x C, with the channels stood along W.
  const Shape& s = probabilities.shape();
  const Tensor upright = probabilities.reshaped({s.n, s.d * s.h, s.w, s.c, 1});
  const PoolSpec over_channels{{1, 1, s.c}, {1, 1, s.c}, {0, 0, 0}};
  const Shape pooled = pool_output_shape(over_channels, upright.shape());
  const Tensor greatest = backend.empty(pooled, probabilities.dtype(), "confidence");
  const Tensor where = backend.empty(pooled, DType::i32, "confidence");
  backend.region->max_pool_forward(over_channels, upright.cview(), greatest.view(), where.view());

  const Tensor lacking = backend.filled(weights.shape(), weights.dtype(), floor, "confidence");
  backend.pointwise->scale(greatest.reshaped(weights.shape()).cview(), -1.0, lacking.view(), Accum::add);
  // ReLU's gradient is the step function: the weights where floor - greatest > 0, to be taken away.
  Tensor kept = backend.empty(weights.shape(), weights.dtype(), "confidence");
  backend.pointwise->leaky_relu_backward(lacking.cview(), weights.cview(), 0.0, kept.view(), Accum::write);
  backend.pointwise->scale(kept.cview(), -1.0, kept.view(), Accum::write);
  backend.pointwise->add(weights.cview(), kept.cview(), kept.view());
  return kept;
}

}  // namespace duet
