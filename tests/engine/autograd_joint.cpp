// The joint backward: K losses on a shared trunk in one pass equal K passes, at fewer nodes and fewer bytes.
#include <algorithm>
#include <doctest/doctest.h>
#include <iostream>

#include "engine/autograd/graph_text.h"
#include "engine/core/parallel.h"
#include "engine/ops/loss.h"
#include "engine/ops/pointwise.h"
#include "tests/engine/autograd_net.h"
#include "tests/support/backends.h"
#include "tests/support/op_case.h"

namespace duet::testing {
namespace {

struct Setting {
  std::string backend;
  DType dtype;
  double tolerance;  // of the largest gradient
};

std::vector<Setting> settings() {
  std::vector<Setting> all = {{"ref", DType::f64, 1e-12}};
  for (const std::string& name : tested_backends()) all.push_back({name, DType::f32, 1e-5});
  return all;
}

const Shape kInput{3, 6, 4, 8, 2};

std::vector<Var> forward(Backend& backend, const Net& net, DType dtype) {
  return net_losses(backend, run_net(backend, net, Var::constant(net_input(backend, dtype, kInput))));
}

std::vector<LossTerm> terms_of(const std::vector<Var>& losses) {
  std::vector<LossTerm> terms;
  for (std::size_t k = 0; k < losses.size(); ++k) terms.push_back({losses[k], kLossWeights[k]});
  return terms;
}

std::size_t lines_of(const std::string& graph) {
  return static_cast<std::size_t>(std::count(graph.begin(), graph.end(), '\n'));
}

}  // namespace

TEST_CASE("joint backward equals separate ones and visits each node once") {
  for (const Setting& setting : settings()) {
    INFO(setting.backend, " ", name_of(setting.dtype));
    Backend& backend = backend_of(setting.backend);
    const std::size_t live = backend.memory->counters().live_bytes;
    {
      const Net net = make_net(backend, setting.dtype, 4);
      BackwardStats joint;
      {
        const std::vector<Var> losses = forward(backend, net, setting.dtype);
        const std::size_t nodes = lines_of(graph_to_text(losses));
        joint = backward(backend, terms_of(losses));
        CHECK(joint.nodes_visited == nodes);
      }
      const auto joined = gradients_of(net);
      CHECK(joint.additions > 0);

      std::vector<std::vector<double>> sum;  // each after a forward of its own
      std::uint64_t visited = 0;
      for (std::size_t k = 0; k < 4; ++k) {
        clear_gradients(net);
        const std::vector<Var> losses = forward(backend, net, setting.dtype);
        const std::size_t nodes = lines_of(graph_to_text({&losses[k], 1}));
        const BackwardStats alone = backward(backend, std::vector<LossTerm>{{losses[k], kLossWeights[k]}});
        CHECK(alone.nodes_visited == nodes);
        visited += alone.nodes_visited;
        add_to(sum, gradients_of(net));
      }
      CHECK(worst_difference(joined, sum) <= setting.tolerance);
      CHECK(joint.nodes_visited < visited);

      clear_gradients(net);  // all through one forward, retained; the gradients add up in the parameters
      std::size_t peak = 0;
      {
        const std::vector<Var> losses = forward(backend, net, setting.dtype);
        for (std::size_t k = 0; k < 4; ++k) {
          BackwardOptions options;
          options.retain = true;
          const std::vector<LossTerm> term = {{losses[k], kLossWeights[k]}};
          peak = std::max(peak, backward(backend, term, options).peak_bytes);
        }
      }
      CHECK(worst_difference(gradients_of(net), joined) <= setting.tolerance);
      CHECK(joint.peak_bytes < peak);

      clear_gradients(net);  // K passes, the forward of each made first
      std::size_t apart = 0;
      {
        std::vector<Var> kept;
        for (std::size_t k = 0; k < 4; ++k) kept.push_back(forward(backend, net, setting.dtype)[k]);
        for (std::size_t k = 0; k < 4; ++k) {
          apart = std::max(apart,
                           backward(backend, std::vector<LossTerm>{{kept[k], kLossWeights[k]}}).peak_bytes);
        }
      }
      CHECK(joint.peak_bytes < apart);
      std::cout << "joint backward, " << setting.backend << ' ' << name_of(setting.dtype) << ": "
                << joint.nodes_visited << " nodes, " << joint.peak_bytes
                << " bytes at peak; 4 passes: " << visited << " nodes, " << peak << " bytes retained, "
                << apart << " bytes with a forward each" << std::endl;
    }
    // Other backends may keep packed weights.
    if (setting.backend == "ref") CHECK(backend.memory->counters().live_bytes == live);
  }
}

TEST_CASE("a loss listed twice counts with both weights") {
  Backend& backend = ref_backend();
  const Net net = make_net(backend, DType::f64, 2);
  const Var once = forward(backend, net, DType::f64)[1];
  backward(backend, std::vector<LossTerm>{{once, 2.0}});
  const auto expected = gradients_of(net);
  clear_gradients(net);
  const Var twice = forward(backend, net, DType::f64)[1];
  const BackwardStats stats = backward(backend, std::vector<LossTerm>{{twice, 0.5}, {twice, 1.5}});
  CHECK(worst_difference(gradients_of(net), expected) <= 1e-15);
  const Var again = forward(backend, net, DType::f64)[1];
  CHECK(stats.nodes_visited == lines_of(graph_to_text({&again, 1})));
}

TEST_CASE("gradients add up over backwards until they are cleared") {
  Backend& backend = ref_backend();
  const Net net = make_net(backend, DType::f64, 2);
  backward(backend, terms_of(forward(backend, net, DType::f64)));
  const auto once = gradients_of(net);
  backward(backend, terms_of(forward(backend, net, DType::f64)));
  auto twice = once;
  add_to(twice, once);
  CHECK(worst_difference(gradients_of(net), twice) <= 1e-14);
  clear_gradients(net);
  backward(backend, terms_of(forward(backend, net, DType::f64)));
  CHECK(worst_difference(gradients_of(net), once) == 0.0);
}

TEST_CASE("a network's gradients are the same bytes for any number of threads on ref") {
  for (const std::string& name : tested_backends()) {
    INFO(name);
    Backend& backend = backend_of(name);
    const int before = max_threads();
    std::vector<std::vector<double>> first;
    for (const int threads : {2, 1, 2}) {
      if (name != "ref" && threads == 1) continue;
      set_threads(threads);
      const Net net = make_net(backend, DType::f32, 8);
      const Var x = Var::constant(net_input(backend, DType::f32, {3, 12, 14, 16, 2}));
      backward(backend, terms_of(net_losses(backend, run_net(backend, net, x))));
      const auto gradients = gradients_of(net);
      if (first.empty()) first = gradients;
      CHECK(gradients == first);
    }
    set_threads(before);
  }
}

}  // namespace duet::testing
