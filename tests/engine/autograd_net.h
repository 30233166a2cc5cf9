// A small network with everything that shares: a trunk with a skip and two heads. Used by the tests of joint
// backward and lanes. Every kind of parameter is in it: convolution, strided, transposed, pointwise, norm,
// prelu, biases.
#pragma once

#include <vector>

#include "engine/autograd/backward.h"
#include "engine/kernels/backend.h"

namespace duet::testing {

struct Net {
  std::vector<ParameterPtr> parameters;
};

struct Heads {
  Var first, second;  // logits (N, D, H, W, 3)
};

// Equal values on every backend and in both types.
Net make_net(Backend& backend, DType dtype, Index width);
Tensor net_input(Backend& backend, DType dtype, const Shape& shape, std::uint32_t which = 0);
// x (N, D, H, W, 2) with even D, H, W. Instance norm: samples do not see each other.
Heads run_net(Backend& backend, const Net& net, const Var& x);

// Four losses of different kinds on the heads; the last looks at both. Scalars.
std::vector<Var> net_losses(Backend& backend, const Heads& heads);
constexpr double kLossWeights[] = {1.0, 0.7, -0.4, 2.5};

void clear_gradients(const Net& net);
// The gradients of all parameters, one list each.
std::vector<std::vector<double>> gradients_of(const Net& net);
void add_to(std::vector<std::vector<double>>& sum, const std::vector<std::vector<double>>& more);
// The worst parameter's difference, relative to its largest gradient (for the bias before the norm, whose
// true gradient is 0: to a tenth of the largest of all).
double worst_difference(const std::vector<std::vector<double>>& a, const std::vector<std::vector<double>>& b);

}  // namespace duet::testing
