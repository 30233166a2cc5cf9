// Elementwise ops that record. Formulas: engine/kernels/pointwise.h. Shapes of operands are equal, else
// EngineError.
#pragma once

#include "engine/autograd/var.h"
#include "engine/kernels/backend.h"

namespace duet {

Var add(Backend& backend, const Var& a, const Var& b);
Var multiply(Backend& backend, const Var& a, const Var& b);
Var scale(Backend& backend, const Var& x, double factor);

Var leaky_relu(Backend& backend, const Var& x, double slope);  // slope > 0
Var relu(Backend& backend, const Var& x);
Var prelu(Backend& backend, const Var& x, const Var& slope);  // slope (1,1,1,1,C) or (1,1,1,1,1)

// Zeroes elements or whole channels with probability p in [0, 1) and scales the rest by 1 / (1 - p).
Var dropout(Backend& backend, const DropoutSpec& spec, const Var& x);

// The same values as another type; x itself where it has that type.
Var convert(Backend& backend, const Var& x, DType dtype);

// The same value, cut from the graph.
Var detach(const Var& x);

}  // namespace duet
