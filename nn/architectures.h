// The two architectures behind make_network. Called by nn/network.cpp and nn/check.cpp only.
#pragma once

#include <memory>

#include "engine/autograd/node.h"
#include "engine/ops/pointwise.h"
#include "engine/ops/region.h"
#include "nn/layers.h"
#include "nn/network.h"

namespace duet {

// 1, 2, 3, 3, 3 ... convolutions in stage i of a VNet (0 at the top); 2 in every stage of a UNet.
inline int vnet_convolutions(int stage) { return stage < 2 ? stage + 1 : 3; }
inline constexpr int kUnetConvolutions = 2;

// Channels of stage i.
inline Index stage_channels(const NetworkConfig& config, int stage) { return config.width << stage; }

// The context of an encoder: passes are folded in the decoder only.
inline ForwardContext unfolded(const ForwardContext& context) {
  ForwardContext one = context;
  one.folds = 1;
  return one;
}

// A stage's features with the batch once for each folded pass, pass-major; x itself where nothing is folded.
inline Var folded(const ForwardContext& context, const Var& x) {
  return context.folds == 1 ? x : repeat_batch(context.backend, x, context.folds);
}

// A stage's features as a skip that is added: where nothing is recorded the addition itself takes them over
// and over for folded passes.
inline Var skip_of(const ForwardContext& context, const Var& x) {
  const bool added = NoGrad::active() || !x.requires_gradient();
  return added ? Var::constant(x.saved().get()) : folded(context, x);  // which may have been released
}

// The image in the type of activations.
inline Var network_input(const ForwardContext& context, const Var& x) {
  return context.bf16 ? convert(context.backend, x, DType::bf16) : x;
}

std::unique_ptr<Network> make_vnet(LayerSource source);
std::unique_ptr<Network> make_unet(LayerSource source);

}  // namespace duet
