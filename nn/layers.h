// The layers that VNet and UNet are made of: plain structs that own parameters, and one function each to
// apply them. Called by nn/vnet.cpp and nn/unet.cpp. A layer never changes shape after it is made; apply()
// records where a parameter or its input wants a gradient. Names of parameters are PyTorch's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/autograd/var.h"
#include "engine/kernels/backend.h"
#include "engine/ops/norm.h"
#include "nn/context.h"
#include "nn/network.h"

namespace duet {

// What layers are made from; `next` numbers the layers with drawn weights, for Philox.
struct LayerSource {
  Backend& backend;
  const NetworkConfig& config;
  std::uint64_t seed = 0;
  std::uint32_t network = 0;
  DType dtype = DType::f32;
  std::uint32_t next = 0;
  bool blank = false;  // weights are 0, to be read from a file
};

// What a network holds, in PyTorch's order of registration.
struct Inventory {
  std::vector<ParameterPtr> parameters;
  std::vector<NamedTensor> state;  // parameters and buffers
};

struct ConvLayer {
  Conv3dSpec spec;
  ParameterPtr weight;  // (Co,kD,kH,kW,Ci)
  ParameterPtr bias;    // (1,1,1,1,Co)
};

struct ConvTransposeLayer {
  Conv3dSpec spec;
  ParameterPtr weight;  // (Ci,kD,kH,kW,Co)
  ParameterPtr bias;    // (1,1,1,1,Co)
};

struct NormLayer {
  std::string name;
  NormSpec spec;                             // folds come from the context
  ParameterPtr gamma, beta;                  // (1,1,1,1,C)
  std::optional<RunningStatistics> running;  // of kind batch
};

struct ActivationLayer {
  Activation kind = Activation::relu;
  double slope = 0.01;  // of leaky ReLU
  ParameterPtr weight;  // of PReLU, one value as in PyTorch's default
};

struct DropoutLayer {
  std::uint32_t number = 0;  // the Philox layer
  DropoutKind kind = DropoutKind::channels;
  double p = 0.5;
};

template <class Conv>
struct Unit {
  Conv conv;
  NormLayer norm;
  ActivationLayer activation;
};
using ConvNormAct = Unit<ConvLayer>;
using UpNormAct = Unit<ConvTransposeLayer>;
using Stage = std::vector<ConvNormAct>;

// Along the axes in use; 1 (or no padding) along D in 2D.
Conv3dSpec same_spec(const NetworkConfig& config);     // 3x3x3, stride 1, padding 1
Conv3dSpec halving_spec(const NetworkConfig& config);  // 2x2x2, stride 2
inline Conv3dSpec pointwise_spec() { return {{1, 1, 1}, {1, 1, 1}, {0, 0, 0}}; }

ConvLayer make_conv(LayerSource& source, const std::string& name, const Conv3dSpec& spec, Index from,
                    Index to);
ConvTransposeLayer make_conv_transpose(LayerSource& source, const std::string& name, const Conv3dSpec& spec,
                                       Index from, Index to);
NormLayer make_norm(LayerSource& source, const std::string& name, Index channels);
ActivationLayer make_activation(LayerSource& source, const std::string& name);
DropoutLayer make_dropout(const NetworkConfig& config, std::uint32_t number);

// Convolution, norm and activation named prefix.first, prefix.(first + 1), prefix.(first + 2).
ConvNormAct make_unit(LayerSource& source, const std::string& prefix, int first, const Conv3dSpec& spec,
                      Index from, Index to);
UpNormAct make_up_unit(LayerSource& source, const std::string& prefix, Index from, Index to);
// `count` units of 3x3x3 convolutions.
Stage make_stage(LayerSource& source, const std::string& prefix, int count, Index from, Index to);

Var apply(const ForwardContext& context, const ConvLayer& layer, const Var& x);
Var apply(const ForwardContext& context, const ConvTransposeLayer& layer, const Var& x);
Var apply(const ForwardContext& context, const NormLayer& layer, const Var& x, const NormTail& tail = {});
Var apply(const ForwardContext& context, const ActivationLayer& layer, const Var& x);
// Pass 0 in training, 1 + first_pass + k in Monte Carlo pass k; x holds context.folds passes.
Var apply(const ForwardContext& context, const DropoutLayer& layer, const Var& x);
Var apply(const ForwardContext& context, const Stage& stage, Var x);

// Norm, activation and the addition of a skip in one pass over memory, where the activation has a fixed
// slope. skip: empty, or as NormTail's.
Var apply(const ForwardContext& context, const NormLayer& norm, const ActivationLayer& activation,
          const Var& x, const Var& skip);

// Takes x over: its memory is free once the convolution is done, where the caller moved it here.
template <class Conv>
Var apply(const ForwardContext& context, const Unit<Conv>& unit, Var x, const Var& skip = {}) {
  const Var y = apply(context, unit.conv, x);
  x = {};
  return apply(context, unit.norm, unit.activation, y, skip);
}

// The network's last convolution, 1x1x1, after its dropout: logits in the parameters' type.
Var apply_head(const ForwardContext& context, const DropoutLayer& dropout, const ConvLayer& head,
               const Var& x);

void list(const ConvLayer& layer, Inventory& into);
void list(const ConvTransposeLayer& layer, Inventory& into);
void list(const NormLayer& layer, Inventory& into);
void list(const ActivationLayer& layer, Inventory& into);

template <class Conv>
void list(const Unit<Conv>& unit, Inventory& into) {
  list(unit.conv, into);
  list(unit.norm, into);
  list(unit.activation, into);
}

template <class Part>
void list(const std::vector<Part>& parts, Inventory& into) {
  for (const Part& part : parts) list(part, into);
}

}  // namespace duet
