// Sums over planes that threads share out: a fixed number of tasks adds into floats of its own, and what they
// have is added up in double, in their order. So bytes depend on sizes alone. Used by weight gradients.
#pragma once

#include <algorithm>
#include <memory>

#include "engine/core/parallel.h"
#include "engine/memory/scratch.h"

namespace duet::onednn {

class TaskSums {
 public:
  // add(plane, sums) for each of `planes`: adds to `size` floats, which begin as zeros.
  template <class Add>
  TaskSums(const std::shared_ptr<Allocator>& memory, Index planes, Index size, const Add& add)
      : size_(size),
        of_task_((planes + kMostTasks - 1) / kMostTasks),
        tasks_((planes + of_task_ - 1) / of_task_),
        scratch_(memory, static_cast<std::size_t>(tasks_ * size) * sizeof(float), "conv3d weight gradient"),
        parts_(static_cast<float*>(scratch_.data())) {
    parallel_for(tasks_, [&](Index task) {
      float* sums = parts_ + task * size_;
      std::fill_n(sums, size_, 0.0F);
      for (Index plane = task * of_task_; plane < std::min(planes, (task + 1) * of_task_); ++plane)
        add(plane, sums);
    });
  }

  // Sum i of all tasks; added to `before`.
  float total(Index i, float before) const {
    auto sum = static_cast<double>(before);
    for (Index task = 0; task < tasks_; ++task) sum += static_cast<double>(parts_[task * size_ + i]);
    return static_cast<float>(sum);
  }

 private:
  static constexpr Index kMostTasks = 16;
  Index size_, of_task_, tasks_;
  Scratch scratch_;
  float* parts_;
};

}  // namespace duet::onednn
