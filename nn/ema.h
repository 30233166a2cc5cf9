// Exponential moving averages of weights: teachers of mean-teacher methods. Called by trainers. Nothing
// records.
#pragma once

#include "engine/kernels/backend.h"
#include "nn/network.h"

namespace duet {

// average = decay average + (1 - decay) network, for parameters and buffers alike. Throws EngineError naming
// the first tensor that differs, where the networks are not of one architecture.
void ema_update(Backend& backend, double decay, const Network& network, Network& average);

// The same weights and buffers.
void copy_state(Backend& backend, const Network& from, Network& to);

// min(1 - 1 / (t + 1), decay): follows fast at first. t counts from 0.
double ema_decay(double decay, Index t);

}  // namespace duet
