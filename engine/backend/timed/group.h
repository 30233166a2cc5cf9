// What the timed groups share. A wrapped function is one line: its name, its row of the table, the views that
// it reads or writes, and the call.
#pragma once

#include <initializer_list>
#include <memory>
#include <utility>

#include "engine/backend/timed/timed.h"

namespace duet::timed {

// A gradient that is added onto is read, too: stands beside the view itself.
inline ConstView again(const View& view, Accum accum) {
  return accum == Accum::add ? ConstView(view) : ConstView();
}

inline double bytes_of(const ConstView& view) {
  return view ? static_cast<double>(view.shape.elements()) * static_cast<double>(size_of(view.dtype)) : 0.0;
}

template <class Kernels>
class Group : public Kernels {
 public:
  Group(std::unique_ptr<Kernels> inner, Timings& timings) : inner_(std::move(inner)), timings_(timings) {}

 protected:
  template <class Body>
  void run(KernelUse use, const Body& body) {
    const Mark start = timings_.mark();
    body();
    use.calls = 1;
    timings_.add(use, start, timings_.mark());
  }

  template <class Body>
  void run(const char* kernel, const char* group, std::initializer_list<ConstView> touched,
           const Body& body) {
    run(use_of(kernel, group, touched), body);
  }

  static KernelUse use_of(const char* kernel, const char* group, std::initializer_list<ConstView> touched) {
    KernelUse use;
    use.kernel = kernel;
    use.group = group;
    use.shape = touched.begin()->shape;
    use.dtype = touched.begin()->dtype;
    for (const ConstView& view : touched) use.bytes += bytes_of(view);
    return use;
  }

  std::unique_ptr<Kernels> inner_;

 private:
  Timings& timings_;
};

std::unique_ptr<ConvolutionKernels> wrap(std::unique_ptr<ConvolutionKernels> inner, Timings&);
std::unique_ptr<NormKernels> wrap(std::unique_ptr<NormKernels> inner, Timings&);
std::unique_ptr<PointwiseKernels> wrap(std::unique_ptr<PointwiseKernels> inner, Timings&);
std::unique_ptr<RegionKernels> wrap(std::unique_ptr<RegionKernels> inner, Timings&);
std::unique_ptr<LossKernels> wrap(std::unique_ptr<LossKernels> inner, Timings&);
std::unique_ptr<OptimiserKernels> wrap(std::unique_ptr<OptimiserKernels> inner, Timings&);
std::unique_ptr<SamplingKernels> wrap(std::unique_ptr<SamplingKernels> inner, Timings&);

}  // namespace duet::timed
