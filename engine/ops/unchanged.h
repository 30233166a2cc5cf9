// An operand that backward reads where it lies, as weights are. Called by ops.
#pragma once

#include "engine/autograd/var.h"

namespace duet {

// Throws EngineError where the value was marked as changed since it was recorded (an optimiser's step between
// forward and backward): the gradient would be that of neither value.
class Unchanged {
 public:
  explicit Unchanged(const Var& var) : value_(var.value()), version_(value_ ? value_.cview().version : 0) {}

  ConstView view(const char* op) const {
    const ConstView view = value_.cview();
    DUET_CHECK(!value_ || view.version == version_, op, ": an operand of shape ", value_.shape(),
               " was changed between forward and backward");
    return view;
  }

 private:
  Tensor value_;
  std::uint64_t version_ = 0;
};

}  // namespace duet
