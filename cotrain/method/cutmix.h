// CutMix of unlabelled samples (Yun et al., ICCV 2019; for segmentation French et al., BMVC 2020): a box of
// each is replaced by the same box of the next one, in the image that the networks learn on and in what they
// are to learn. Targets are made of the images as they were, so a target is what a network thought of an
// intact image. Called by the methods with a consistency term.
#pragma once

#include "cotrain/method/method.h"
#include "cotrain/method/monte_carlo.h"
#include "engine/kernels/region.h"

namespace duet {

struct CutMix {
  struct Box {
    Index to, from;  // places among the unlabelled samples
    Offset5 corner;  // of sample 0
    Shape extent;    // one sample and channel
  };
  std::vector<Box> boxes;  // none: nothing is mixed
};

// A share config.cutmix of the step's unlabelled samples is mixed, with boxes of a quarter to a half of the
// patch and its proportions. A draw of (seed, step, place in the batch). None where there is one unlabelled
// sample or no such task.
CutMix draw_cutmix(const Step& step, const MethodConfig& config);

// Of a tensor (N,D,H,W,C) of the unlabelled samples: a copy with the boxes replaced, or itself without any.
Tensor mixed(Backend& backend, const CutMix& mix, const Tensor& unlabelled);
Prediction mixed(Backend& backend, const CutMix& mix, const Prediction& unlabelled);
// The batch with images and valid of its unlabelled samples mixed.
Batch mixed(Backend& backend, const CutMix& mix, const Batch& batch);

// The step on another batch of the same samples, which must outlive it.
Step with_batch(const Step& step, const Batch& batch);

}  // namespace duet
