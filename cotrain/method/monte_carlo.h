// Monte Carlo dropout sampling: T stochastic passes of the decoder on one encoding, their mean and an
// uncertainty map. Nothing is recorded. Called by methods and by prediction.
#pragma once

#include "engine/kernels/sampling.h"
#include "nn/network.h"

namespace duet {

struct Prediction {
  Tensor probabilities;  // (B, D, H, W, C), mean over passes
  Tensor uncertainty;    // (B, D, H, W, 1), in [0, 1]
};

// Sums over passes of several networks or calls; finish() turns them into a Prediction.
class SampleAccumulator {
 public:
  SampleAccumulator(Backend& backend, const Shape& logits, DType dtype);
  void add(const Tensor& logits, Index passes);  // (passes * B, ...), pass-major
  Prediction finish(UncertaintyKind kind);       // once

 private:
  Backend& backend_;
  Tensor probability_, entropy_, square_;
  Index passes_ = 0;
};

struct SamplingConfig {
  Index samples = 8;  // T >= 1
  Index fold = 1;     // passes run as one batch; divides T
  UncertaintyKind kind = UncertaintyKind::predictive_entropy;
};

// Adds T passes of the network's decoder. `context` gives seed, step and place of the samples; dropout and
// folds are set here.
void add_samples(SampleAccumulator& sums, Network& network, ForwardContext context, const Encoding& encoding,
                 const SamplingConfig& config);

// All of it for one network. Training context: batch norm uses the batch's statistics without moving the
// running ones.
Prediction monte_carlo(Network& network, const ForwardContext& context, const Encoding& encoding,
                       const SamplingConfig& config);

// T = 0: the given logits, detached, stand in for the mean.
Prediction without_sampling(Backend& backend, const Tensor& logits, UncertaintyKind kind);

}  // namespace duet
