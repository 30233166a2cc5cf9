// The work that is measured: networks, optimisers and one made-up batch, and a step of a mode on them. Train
// and cotrain are the methods `supervised` and `udct` under `run_step`, as in any training; infer is a
// forward that records nothing; volume segments a whole image by sliding windows.
#pragma once

#include "cotrain/train/step.h"
#include "tools/bench/volume.h"

namespace duet::bench {

struct Work {
  RunConfig config;
  TrainingState state;  // infer, volume: networks only, no method, no optimiser
  Batch batch;          // none of volume
  Volume volume;        // of volume only
  Index step = 0;       // number of the next one
};

// Checks the options; no step is taken.
Work make_work(Backend& backend, const BenchOptions& options);

// Returns what the peer's step returns: the sum of the loss terms, of infer the mean of the logits, of
// volume the mean label.
double take_step(Backend& backend, Work& work);

}  // namespace duet::bench
