// A method says how a step's loss terms come to be, and nothing else: the trainer merges their graphs in one
// backward, combines lanes and steps the optimisers, for every method alike. One file a method.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cotrain/config/run_config.h"
#include "cotrain/data/sampler.h"
#include "engine/autograd/backward.h"
#include "nn/network.h"

namespace duet {

struct Step {
  Backend& backend;
  const std::vector<std::unique_ptr<Network>>& networks;
  const Batch& batch;
  std::uint64_t seed = 1;
  std::uint32_t iteration = 0;  // from 0
  double lambda = 0;            // the ramp's value
  bool bf16 = false;            // activations and their gradients
  bool recompute = false;       // see ForwardContext
};

struct NamedTerm {
  std::string name;  // a column of metrics.csv: "sup_1"
  LossTerm term;
};

class Method {
 public:
  virtual ~Method() = default;
  virtual Index networks() const = 0;
  virtual bool uses_unlabelled() const = 0;
  virtual std::vector<std::string> term_names() const = 0;
  // The recorded loss terms of one step, in the order of term_names().
  virtual std::vector<NamedTerm> terms(const Step& step) = 0;
};

// Throws EngineError for an unknown name.
std::unique_ptr<Method> make_method(const MethodConfig& config);
std::unique_ptr<Method> make_supervised(const MethodConfig& config);
std::unique_ptr<Method> make_udct(const MethodConfig& config);

// lambda(t) = lambda_max exp(-5 (1 - min(1, t / t_ramp))^2), t_ramp = ramp * iterations (after Laine & Aila,
// ICLR 2017).
double ramp(const MethodConfig& config, Index iteration, Index iterations);

// What a recorded training forward of network `i` is told.
ForwardContext training_context(const Step& step, std::size_t network);

// Weighted cross-entropy over sum of weights, plus weighted soft Dice; logits and weights of the labelled
// samples.
Var supervised_loss(Backend& backend, const MethodConfig& config, const Var& logits, const Tensor& labels,
                    const Tensor& weights);

}  // namespace duet
