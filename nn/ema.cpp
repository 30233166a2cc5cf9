#include "nn/ema.h"

#include <algorithm>

namespace duet {
namespace {

template <class Body>
void for_each_pair(const Network& from, Network& to, const Body& body) {
  const std::vector<NamedTensor> source = from.state(), target = to.state();
  DUET_CHECK(source.size() == target.size(), "ema: networks of ", source.size(), " and ", target.size(),
             " tensors");
  for (std::size_t i = 0; i < source.size(); ++i) {
    const Tensor &x = source[i].value, &average = target[i].value;
    DUET_CHECK(
        source[i].name == target[i].name && x.shape() == average.shape() && x.dtype() == average.dtype(),
        "ema: tensor '", source[i].name, "' ", x.shape(), " meets '", target[i].name, "' ", average.shape());
    body(x.cview(), average.view());
    average.mark_changed();
  }
}

}  // namespace

void ema_update(Backend& backend, double decay, const Network& network, Network& average) {
  DUET_CHECK(decay >= 0.0 && decay <= 1.0, "ema: decay ", decay, " should be in [0, 1]");
  std::vector<EmaTensors> tensors;
  for_each_pair(network, average, [&](ConstView x, View y) { tensors.push_back({x, y}); });
  backend.optimiser->ema_update(decay, tensors);
}

void copy_state(Backend& backend, const Network& from, Network& to) {
  for_each_pair(from, to, [&](ConstView x, View y) { backend.pointwise->scale(x, 1.0, y, Accum::write); });
}

double ema_decay(double decay, Index t) { return std::min(1.0 - 1.0 / static_cast<double>(t + 1), decay); }

}  // namespace duet
