// What follows a convolution, against its formula in double: every norm with every activation, alone and with
// a skip, as layers put them together.
#include <doctest/doctest.h>

#include "engine/autograd/node.h"
#include "nn/layers.h"
#include "tests/nn/small_network.h"
#include "tests/support/backends.h"

using namespace duet;
using namespace duet::testing;

namespace {

using Values = std::vector<double>;

struct Norm {
  NormKind kind;
  NormMode mode;
  Index groups;
};

// The samples and channels that share a mean and a variance.
struct Block {
  Index samples, channels;
};

Block block_of(const Norm& norm, const Shape& s, Index folds) {
  switch (norm.kind) {
    case NormKind::batch:
      return {s.n / folds, 1};
    case NormKind::instance:
      return {1, 1};
    case NormKind::group:
      return {1, s.c / norm.groups};
  }
  return {};
}

// activation(norm(x)) + skip, whose samples are taken over and over where it has fewer; empty: none.
Values formula(const Block& block, const NormLayer& norm, bool running, double slope, const Tensor& x,
               const Tensor& skip) {
  const Shape& s = x.shape();
  const Values in = to_values(x), gamma = to_values(norm.gamma->value), beta = to_values(norm.beta->value);
  const Values added = skip ? to_values(skip) : Values{0.0};
  Values out(in.size());
  for (Index n0 = 0; n0 < s.n; n0 += block.samples) {
    for (Index c0 = 0; c0 < s.c; c0 += block.channels) {
      const auto for_each = [&](const auto& body) {
        for (Index row = n0 * s.voxels(); row < (n0 + block.samples) * s.voxels(); ++row) {
          for (Index c = c0; c < c0 + block.channels; ++c)
            body(static_cast<std::size_t>(row * s.c + c), static_cast<std::size_t>(c));
        }
      };
      const auto count = static_cast<double>(block.samples * s.voxels() * block.channels);
      double mean = 0.0, var = 0.0;
      for_each([&](std::size_t i, std::size_t) { mean += in[i] / count; });
      for_each([&](std::size_t i, std::size_t) { var += (in[i] - mean) * (in[i] - mean) / count; });
      if (running) {
        mean = to_values(norm.running->mean)[static_cast<std::size_t>(c0)];
        var = to_values(norm.running->var)[static_cast<std::size_t>(c0)];
      }
      for_each([&](std::size_t i, std::size_t c) {
        const double z = (in[i] - mean) / std::sqrt(var + 1e-5) * gamma[c] + beta[c];
        out[i] = (z > 0.0 ? z : slope * z) + added[i % added.size()];
      });
    }
  }
  return out;
}

// Scales, shifts and running statistics that are not those of the start.
void set_noise(Backend& backend, NormLayer& layer) {
  const auto near = [&](const Tensor& tensor, double middle, int which) {
    const Tensor noise = noises(backend, tensor.shape(), which);
    Values values = to_values(noise);
    for (double& v : values) v = middle + 0.3 * v;
    return from_values(backend.memory, tensor.shape(), DType::f32, values);
  };
  layer.gamma->value = near(layer.gamma->value, 1.0, 21);
  layer.beta->value = near(layer.beta->value, 0.1, 22);
  if (!layer.running) return;
  layer.running->mean = near(layer.running->mean, 0.2, 23);
  layer.running->var = near(layer.running->var, 1.5, 24);
}

// The unit as it is trained and as it predicts, which takes other ways through memory.
template <class Conv>
void check_unit(const ForwardContext& context, const Norm& norm, double slope, Unit<Conv> unit, const Var& x,
                const Tensor& skip) {
  set_noise(context.backend, unit.norm);
  const Tensor between = apply(context, unit.conv, x).value();  // held to PyTorch's by golden_test.cpp
  const Values expected = formula(block_of(norm, between.shape(), context.folds), unit.norm,
                                  unit.norm.running && norm.mode == NormMode::running, slope, between, skip);
  const Var added = skip ? Var::constant(skip) : Var();
  if (context.folds == 1) CHECK(difference(apply(context, unit, x, added).value(), expected) < 2e-5);
  const NoGrad nothing_recorded;
  CHECK(difference(apply(context, unit, x, added).value(), expected) < 2e-5);
}

}  // namespace

TEST_CASE("convolution, norm and activation are the formula: every norm, activation, skip and backend") {
  constexpr double kSlope = 0.3;  // of leaky ReLU, and where PReLU starts
  const std::pair<Activation, double> activations[] = {
      {Activation::relu, 0.0}, {Activation::leaky_relu, kSlope}, {Activation::prelu, kSlope}};
  const Norm norms[] = {{NormKind::batch, NormMode::batch_no_update, 0},
                        {NormKind::batch, NormMode::running, 0},
                        {NormKind::instance, NormMode::running, 0},
                        {NormKind::group, NormMode::running, 2},
                        {NormKind::group, NormMode::running, 1}};
  for (const std::string& name : tested_backends()) {
    Backend& backend = backend_of(name);
    const Var x = image(backend, {4, 2, 4, 6, 3});
    for (const Norm& norm : norms) {
      for (const auto& [activation, slope] : activations) {
        CAPTURE(name);
        CAPTURE(static_cast<int>(norm.kind));
        CAPTURE(norm.groups);
        CAPTURE(static_cast<int>(activation));
        NetworkConfig config = small("vnet", norm.kind);
        config.norm_groups = norm.groups;
        config.activation = activation;
        config.activation_slope = kSlope;
        LayerSource source{backend, config};
        ForwardContext context{backend};
        context.norm = norm.mode;
        check_unit(context, norm, slope, make_unit(source, "a", 0, same_spec(config), 3, 4), x, {});
        const auto up = make_up_unit(source, "b", 3, 4);
        check_unit(context, norm, slope, up, x, noises(backend, {4, 4, 8, 12, 4}, 6));
        context.folds = 2;  // of two samples, whose skip stands once
        check_unit(context, norm, slope, up, x, noises(backend, {2, 4, 8, 12, 4}, 6));
      }
    }
  }
}
