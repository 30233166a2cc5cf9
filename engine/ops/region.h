// Ops on boxes of a tensor that record: slice, concat, pad, pooling, upsampling. Gradients go straight into
// their region, with no padded temporary.
#pragma once

#include <span>

#include "engine/autograd/var.h"
#include "engine/kernels/backend.h"

namespace duet {

enum class Axis { n = 0, d = 1, h = 2, w = 3, c = 4 };

// The box of `extent` at `offset`.
Var slice(Backend& backend, const Var& x, const Offset5& offset, const Shape& extent);
// Samples [begin, end): shares memory with x.
Var samples(Backend& backend, const Var& x, Index begin, Index end);
// All other sizes equal.
Var concat(Backend& backend, Axis axis, std::span<const Var> parts);
// x at `before` inside a tensor of x's sizes plus before and after, `value` around it.
Var pad(Backend& backend, const Var& x, const Offset5& before, const Offset5& after, double value = 0.0);

// The batch `times` over, pass-major: sample n of the result is sample n % N of x.
Var repeat_batch(Backend& backend, const Var& x, Index times);

Var max_pool(Backend& backend, const PoolSpec& spec, const Var& x);
Var average_pool(Backend& backend, const PoolSpec& spec, const Var& x);

// Integer factors >= 1 along D, H, W.
Var upsample(Backend& backend, UpsampleKind kind, const Triple& factor, const Var& x);

}  // namespace duet
