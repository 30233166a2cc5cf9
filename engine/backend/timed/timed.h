// A backend that times itself: wraps each kernel group of a backend, passes every call on unchanged and notes
// which kernel ran, on which shape, how long, and what it computed and moved. Called by `duet bench` and its
// tests.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/kernels/backend.h"

namespace duet {

// The convolution behind a call. A transposed one is the convolution from its output to its input: x is its
// output, and its forward is the pass `data`.
struct ConvolutionUse {
  ConvPass pass = ConvPass::forward;
  Conv3dSpec spec;
  Shape x, w;
  friend bool operator==(const ConvolutionUse&, const ConvolutionUse&) = default;
};

// All calls of one kernel on one shape. Names are string literals.
struct KernelUse {
  std::string_view kernel;  // "conv3d_forward"
  std::string_view group;   // the row of a step's table that it belongs to: "convolution forward", "norm"
  Shape shape;              // of the first argument
  DType dtype = DType::f32;
  std::optional<ConvolutionUse> convolution;
  std::uint64_t calls = 0;
  double seconds = 0, flops = 0,
         bytes = 0;  // over all calls; flops of convolutions only, bytes read + written
};

class Timings {
 public:
  // One call, whose time lies between two marks.
  void add(const KernelUse& use, Mark from, Mark to) {
    calls_.push_back({use, std::move(from), std::move(to)});
  }
  void clear() { calls_.clear(); }
  std::vector<KernelUse> uses() const;  // in the order of first calls; waits for the last one

  // Of the backend that is timed: no kernel waits for the device, and its time is the device's, with what it
  // waits for the host between the marks where it has nothing else to do.
  std::function<Mark()> mark = host_mark;
  std::function<double(const Mark& from, const Mark& to)> seconds_between = host_seconds;

 private:
  struct Call {
    KernelUse use;
    Mark from, to;
  };
  std::vector<Call> calls_;
};

// "(2,64,64,64,16)", of a convolution "(2,64,64,64,16) * (16,3,3,3,16)".
std::string shape_label(const KernelUse& use);

// Wraps the groups of `backend` in place, so that what already refers to it is timed from now on. `timings`
// outlives it.
void time_kernels(Backend& backend, Timings& timings);

}  // namespace duet
