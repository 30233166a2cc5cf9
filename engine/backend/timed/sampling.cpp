#include "engine/backend/timed/group.h"

namespace duet::timed {
namespace {

class Sampling final : public Group<SamplingKernels> {
 public:
  using Group::Group;

  void accumulate_samples(ConstView z, Index passes, const SampleSums& s, Accum a) override {
    run("accumulate_samples", "sampling",
        {z, s.probability, s.entropy, s.square, again(s.probability, a), again(s.entropy, a),
         again(s.square, a)},
        [&] { inner_->accumulate_samples(z, passes, s, a); });
  }
  void finish_samples(UncertaintyKind kind, Index T, const SampleSums& s, View uncertainty) override {
    run("finish_samples", "sampling", {s.probability, s.probability, s.entropy, s.square, uncertainty},
        [&] { inner_->finish_samples(kind, T, s, uncertainty); });
  }
  void weights_towards_uncertain(ConstView u, double alpha, ConstView valid, View w) override {
    run("weights_towards_uncertain", "sampling", {u, valid, w},
        [&] { inner_->weights_towards_uncertain(u, alpha, valid, w); });
  }
  void weights_towards_certain(ConstView u, double beta, ConstView valid, View w) override {
    run("weights_towards_certain", "sampling", {u, valid, w},
        [&] { inner_->weights_towards_certain(u, beta, valid, w); });
  }
  void maximum(ConstView a, ConstView b, View y) override {
    run("maximum", "sampling", {a, b, y}, [&] { inner_->maximum(a, b, y); });
  }
  void argmax(ConstView x, View classes) override {
    run("argmax", "sampling", {x, classes}, [&] { inner_->argmax(x, classes); });
  }
};

}  // namespace

std::unique_ptr<SamplingKernels> wrap(std::unique_ptr<SamplingKernels> inner, Timings& timings) {
  return std::make_unique<Sampling>(std::move(inner), timings);
}

}  // namespace duet::timed
