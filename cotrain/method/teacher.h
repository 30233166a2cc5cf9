// The teacher of mean-teacher methods (Tarvainen & Valpola, NeurIPS 2017): a moving average of the network,
// which predicts the unlabelled samples under noise and masks of its own; and the teachers of a pair, without
// the noise. Called by mean_teacher, ua_mt, cps and udct. Nothing records, so no gradient reaches it.
#pragma once

#include "cotrain/method/cutmix.h"
#include "cotrain/method/method.h"
#include "cotrain/method/monte_carlo.h"
#include "engine/ops/loss.h"

namespace duet {

// Logits of teacher 1 on the unlabelled samples plus clamp(noise N(0,1), +-noise_limit), dropout on. Pass 0
// makes the target, passes 1, 2, ... are Monte Carlo samples: noise and masks of each are its own, drawn from
// (seed, step, pass, place in the batch). Batch norm takes the statistics of this input, as the public code
// does, and leaves the running ones alone: they follow the network's.
Tensor teacher_logits(const Step& step, const MethodConfig& config, Index pass);

// What teacher i of a pair (or, where there are no teachers, network i itself) makes of the unlabelled
// samples: mean and uncertainty of its T passes, or of one forward under dropout where T is 0.
Prediction prediction_of_one(const Step& step, const MethodConfig& config, std::size_t i);
// The same of the passes of both together: their uncertainty also counts where the two disagree.
Prediction prediction_of_pair(const Step& step, const MethodConfig& config);

// The terms of a mean teacher, of the step's tasks: sup_1, the supervised loss of the labelled samples, and
// uns_1, lambda times the consistency of the others, mean over classes and weighted voxels of
// (softmax(logits) - target)^2, on the step's samples as `mix` leaves them.
std::vector<NamedTerm> student_terms(const Step& step, const MethodConfig& config, const CutMix& mix,
                                     const Tensor& target, const LossWeights& weights);

// Each teacher = decay teacher + (1 - decay) its network, with decay = min(1 - 1 / (t + 1), ema_decay).
void move_teachers(const Step& step, const MethodConfig& config);

}  // namespace duet
