#include "engine/backend/timed/timed.h"

#include "engine/backend/timed/group.h"

namespace duet {

void Timings::add(const KernelUse& use) {
  for (KernelUse& known : uses_) {
    if (known.shape != use.shape || known.dtype != use.dtype || known.kernel != use.kernel ||
        known.convolution != use.convolution) {
      continue;
    }
    known.calls += use.calls;
    known.seconds += use.seconds;
    known.flops += use.flops;
    known.bytes += use.bytes;
    return;
  }
  uses_.push_back(use);
}

double Timings::seconds() const {
  double sum = 0;
  for (const KernelUse& use : uses_) sum += use.seconds;
  return sum;
}

std::string shape_label(const KernelUse& use) {
  return use.convolution ? text(use.convolution->x, " * ", use.convolution->w) : text(use.shape);
}

void time_kernels(Backend& backend, Timings& timings) {
  timings.wait = backend.wait;
  backend.convolution = timed::wrap(std::move(backend.convolution), timings);
  backend.norm = timed::wrap(std::move(backend.norm), timings);
  backend.pointwise = timed::wrap(std::move(backend.pointwise), timings);
  backend.region = timed::wrap(std::move(backend.region), timings);
  backend.loss = timed::wrap(std::move(backend.loss), timings);
  backend.optimiser = timed::wrap(std::move(backend.optimiser), timings);
  backend.sampling = timed::wrap(std::move(backend.sampling), timings);
}

}  // namespace duet
