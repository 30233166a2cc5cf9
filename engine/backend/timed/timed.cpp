#include "engine/backend/timed/timed.h"

#include <algorithm>

#include "engine/backend/timed/group.h"

namespace duet {

std::vector<KernelUse> Timings::uses() const {
  std::vector<KernelUse> uses;
  for (const auto& [use, from, to] : calls_) {
    const auto known = std::find_if(uses.begin(), uses.end(), [&use = use](const KernelUse& k) {
      return k.shape == use.shape && k.dtype == use.dtype && k.kernel == use.kernel &&
             k.convolution == use.convolution;
    });
    if (known == uses.end()) {
      uses.push_back(use);
      uses.back().seconds = seconds_between(from, to);
      continue;
    }
    known->calls += use.calls;
    known->flops += use.flops;
    known->bytes += use.bytes;
    known->seconds += seconds_between(from, to);
  }
  return uses;
}

std::string shape_label(const KernelUse& use) {
  return use.convolution ? text(use.convolution->x, " * ", use.convolution->w) : text(use.shape);
}

void time_kernels(Backend& backend, Timings& timings) {
  timings.mark = backend.mark;
  timings.seconds_between = backend.seconds;
  backend.convolution = timed::wrap(std::move(backend.convolution), timings);
  backend.norm = timed::wrap(std::move(backend.norm), timings);
  backend.pointwise = timed::wrap(std::move(backend.pointwise), timings);
  backend.region = timed::wrap(std::move(backend.region), timings);
  backend.loss = timed::wrap(std::move(backend.loss), timings);
  backend.optimiser = timed::wrap(std::move(backend.optimiser), timings);
  backend.sampling = timed::wrap(std::move(backend.sampling), timings);
}

}  // namespace duet
