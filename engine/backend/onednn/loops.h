// What oneDNN does not do for us, as loops over OpenMP threads: bias onto an output, the bias gradient,
// adding a gradient, turning weights around. Called by convolution.cpp and packed.cpp. Activations f32 or
// bf16, bias and weights f32; sums are made over fixed chunks in chunk order, so they do not depend on the
// number of threads.
#pragma once

#include <memory>

#include "engine/kernels/accum.h"
#include "engine/memory/allocator.h"
#include "engine/tensor/view.h"

namespace duet::onednn {

// y += x, elementwise.
void add_onto(ConstView x, View y);
// to = x, which is bf16.
void widen(ConstView x, float* to);
// y, which is bf16, = or += x, which is f32.
void narrow(ConstView x, View y, Accum);
// y (rows, C) += b (C).
void add_bias(ConstView b, View y);
// db (C) = or += sum over rows of dy (rows, C).
void sum_rows(const std::shared_ptr<Allocator>& memory, ConstView dy, View db, Accum);
// to (Ci, kD, kH, kW, Co) = w (Co, kD, kH, kW, Ci) with each kernel axis reversed.
void flip_weights(ConstView w, float* to);

}  // namespace duet::onednn
