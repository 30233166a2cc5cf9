// Updates of many tensors at once: as the reference does them one by one, in few launches.
#include <doctest/doctest.h>

#include "engine/backend/ref/ref.h"
#include "tests/engine/cuda/host_driver.h"

namespace duet::testing {
namespace {

// Parameters of a network as they may come: empty, smaller than a pack, with a rest, several blocks long, one
// in f64 among them; and not aligned.
struct Network {
  std::vector<Tensor> storage;
  std::vector<SgdTensors> sgd;
  std::vector<AdamWTensors> adamw;
  std::vector<EmaTensors> ema;
};

Network make_network(Backend& b, bool shifted) {
  Network network;
  for (Index i = 0; i < 70; ++i) {
    const DType type = i == 40 ? DType::f64 : DType::f32;
    const Index elements = i == 50 ? 3000 : i % 9;
    std::vector<View> views;
    for (Index k = 0; k < 4; ++k) {
      std::vector<double> values;
      for (Index j = 0; j <= elements; ++j)
        values.push_back(0.125 * static_cast<double>((i + 3 * j + k) % 17 + 1));
      network.storage.push_back(from_values(b.memory, Shape::vector(elements + 1), type, values));
      View view = network.storage.back().view();
      view.shape = Shape::vector(elements);
      if (shifted && i == 5) view.data = view.as<float>() + 1;
      views.push_back(view);
    }
    network.sgd.push_back({views[0], views[1], views[3]});
    network.adamw.push_back({views[0], views[1], views[2], views[3]});
    network.ema.push_back({views[0], views[3]});
  }
  return network;
}

}  // namespace

TEST_CASE("optimisers update all tensors of a network in few launches") {
  HostDriver* driver = nullptr;
  const auto cuda = make_host_cuda(&driver);
  const auto reference = make_ref_backend();
  for (const bool shifted : {false, true}) {
    const Network got = make_network(*cuda, shifted), expected = make_network(*reference, shifted);
    driver->calls.launches.clear();
    for (const auto& [backend, network] : {std::pair(cuda.get(), &got), {reference.get(), &expected}}) {
      const AdamWStep adamw{.t = 3};
      backend->optimiser->sgd_step({.nesterov = true}, 0.5, network->sgd);
      backend->optimiser->adamw_step(adamw, 0.5, network->adamw);
      backend->optimiser->ema_update(0.75, network->ema);
    }
    CHECK(driver->calls.launches.size() == 3 * (3 + 1));  // 69 tensors of f32 by 32, and one of f64
    for (std::size_t i = 0; i < got.storage.size(); ++i) {
      const std::vector<double> values = to_values(got.storage[i]), wanted = to_values(expected.storage[i]);
      for (std::size_t j = 0; j < values.size(); ++j)
        CHECK(values[j] == doctest::Approx(wanted[j]).epsilon(1e-6));
    }
  }
}

}  // namespace duet::testing
