// The teacher of mean-teacher methods (Tarvainen & Valpola, NeurIPS 2017): a moving average of the network,
// which predicts the unlabelled samples under noise and masks of its own. Called by mean_teacher and ua_mt.
// Nothing records, so no gradient reaches it.
#pragma once

#include "cotrain/method/method.h"
#include "engine/ops/loss.h"

namespace duet {

// Logits of teacher 1 on the unlabelled samples plus clamp(noise N(0,1), +-noise_limit), dropout on. Pass 0
// makes the target, passes 1, 2, ... are Monte Carlo samples: noise and masks of each are its own, drawn from
// (seed, step, pass, place in the batch). Batch norm takes the statistics of this input, as the public code
// does, and leaves the running ones alone: they follow the network's.
Tensor teacher_logits(const Step& step, const MethodConfig& config, Index pass);

// The two terms of a mean teacher, sup_1 and uns_1: the supervised loss of the labelled samples, and lambda
// times the consistency of the others, mean over classes and weighted voxels of (softmax(logits) - target)^2.
std::vector<NamedTerm> student_terms(const Step& step, const MethodConfig& config, const Tensor& target,
                                     const LossWeights& weights);

// teacher = decay teacher + (1 - decay) network, with decay = min(1 - 1 / (t + 1), ema_decay).
void move_teacher(const Step& step, const MethodConfig& config);

}  // namespace duet
