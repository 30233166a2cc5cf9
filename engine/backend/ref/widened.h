// bf16 operands of kernels whose loops are written for float: inputs are widened into scratch, outputs are
// made in scratch and rounded once. Used by the convolutions of this folder.
#pragma once

#include <memory>
#include <optional>

#include "engine/backend/ref/scratch.h"
#include "engine/core/parallel.h"
#include "engine/kernels/accum.h"
#include "engine/tensor/view.h"

namespace duet::ref {

// `view` is x, or its values as f32.
class Widened {
 public:
  Widened(const std::shared_ptr<Allocator>& memory, ConstView x) : view(x) {
    if (x.dtype != DType::bf16) return;
    own_.emplace(memory, x.shape.elements(), "bf16 as f32");
    const bf16* from = x.as<bf16>();
    float* to = own_->data();
    parallel_chunks(x.shape.elements(), Index{1} << 14, [=](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) to[i] = from[i];
    });
    view = {to, x.shape, DType::f32, 0};
  }
  ConstView view;

 private:
  std::optional<Scratch<float>> own_;
};

// `view` is y, or f32 scratch that holds y's values where they are to be added to; store() rounds it into y.
class Rounded {
 public:
  Rounded(const std::shared_ptr<Allocator>& memory, View y, Accum accum) : view(y), target_(y) {
    if (y.dtype != DType::bf16) return;
    own_.emplace(memory, y.shape.elements(), "f32 for bf16");
    view = {own_->data(), y.shape, DType::f32};
    if (accum == Accum::write) return;
    const bf16* from = y.as<bf16>();
    for (Index i = 0; i < y.shape.elements(); ++i) own_->data()[i] = from[i];
  }
  void store() const {
    if (!own_) return;
    const float* from = own_->data();
    bf16* to = target_.as<bf16>();
    parallel_chunks(target_.shape.elements(), Index{1} << 14, [=](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) to[i] = bf16(from[i]);
    });
  }
  View view;

 private:
  View target_;
  std::optional<Scratch<float>> own_;
};

}  // namespace duet::ref
