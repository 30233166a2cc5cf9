// A method says how a step's loss terms come to be, and how its teachers follow, and nothing else: the
// trainer merges the terms' graphs in one backward, combines lanes and steps the optimisers, for every method
// alike. One file a method.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cotrain/config/run_config.h"
#include "cotrain/data/sampler.h"
#include "engine/autograd/backward.h"
#include "engine/ops/loss.h"
#include "nn/network.h"

namespace duet {

// What a step learns from: the labelled samples, the unlabelled ones, or (joint) both.
struct Tasks {
  bool supervised = true, unsupervised = true;
  bool both() const { return supervised && unsupervised; }
};

struct Step {
  Backend& backend;
  const std::vector<std::unique_ptr<Network>>& networks;
  const Batch& batch;  // the samples of `tasks` alone
  std::uint64_t seed = 1;
  std::uint32_t iteration = 0;  // from 0
  double lambda = 0;            // the ramp's value
  bool bf16 = false;            // activations and their gradients
  bool recompute = false;       // see ForwardContext
  double rise = 1;              // the ramp's share: lambda = lambda_max rise
  std::span<const std::unique_ptr<Network>> teachers = {};
  Tasks tasks = {};
  Index first_sample = 0;  // place of the batch's sample 0 in the joint batch: draws are made by place
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
  // Networks that learn by no gradient. Teacher i starts as network i; it is part of what a run resumes from,
  // not of what predicts.
  virtual Index teachers() const { return 0; }
  // The recorded loss terms of one step's tasks, in the order of term_names().
  virtual std::vector<NamedTerm> terms(const Step& step) = 0;
  // Once the optimisers have stepped: moves the teachers.
  virtual void after_step(const Step&) {}
};

// Throws EngineError for an unknown name.
std::unique_ptr<Method> make_method(const MethodConfig& config);
std::unique_ptr<Method> make_supervised(const MethodConfig& config);
std::unique_ptr<Method> make_mean_teacher(const MethodConfig& config);
std::unique_ptr<Method> make_ua_mt(const MethodConfig& config);
std::unique_ptr<Method> make_cps(const MethodConfig& config);
std::unique_ptr<Method> make_udct(const MethodConfig& config);

// Iterations that learn from labels alone, before the ramp begins.
Index warm_up_iterations(const MethodConfig& config, Index iterations);

// Warm-up: labels alone. Then both, or in turn where alternating: labels in iterations 0, 2, ... Of a method
// with two tasks.
Tasks tasks_of(const MethodConfig& config, Index iteration, Index iterations);

// exp(-5 (1 - min(1, t / t_ramp))^2), t_ramp = ramp * iterations (after Laine & Aila, ICLR 2017), t counted
// from the end of the warm-up; 0 before it.
double ramp_share(const MethodConfig& config, Index iteration, Index iterations);
// lambda(t) = lambda_max ramp_share(t).
double ramp(const MethodConfig& config, Index iteration, Index iterations);

// What a recorded training forward of network `i` is told.
ForwardContext training_context(const Step& step, std::size_t network);

// Recorded logits of network `i` on the whole batch, and their two segments.
struct SegmentLogits {
  Var labelled, unlabelled;  // empty where the step leaves that task out
};
SegmentLogits split_segments(const Step& step, const Var& logits);
SegmentLogits recorded_logits(const Step& step, std::size_t network);

// 1 inside the images and 0 in their padding, of a segment.
Tensor valid_labelled(const Step& step);
Tensor valid_unlabelled(const Step& step);

// Weighted cross-entropy over sum of weights, plus weighted soft Dice; logits and weights of the labelled
// samples.
Var supervised_loss(Backend& backend, const MethodConfig& config, const Var& logits, const Tensor& labels,
                    const Tensor& weights);

// Of the unlabelled samples, towards the classes (N,D,H,W,1) that `target`, probabilities or logits, holds
// greatest: weighted cross-entropy and, with config.target_dice, weighted soft Dice as the labelled ones have
// it.
Var pseudo_label_loss(Backend& backend, const MethodConfig& config, const Var& logits, const Tensor& target,
                      const LossWeights& weights);

}  // namespace duet
