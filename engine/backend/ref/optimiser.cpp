// Updates of parameters, elementwise and in place.
#include "engine/backend/ref/ref.h"
#include "engine/core/parallel.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/functors.h"

namespace duet::ref {
namespace {

constexpr Index kGrain = Index{1} << 14;  // elements of a chunk

class RefOptimiser final : public OptimiserKernels {
 public:
  void sgd_step(const SgdStep& step, double grad_scale, const std::vector<SgdTensors>& tensors) override {
    const functors::SgdUpdate update{step.rate, step.momentum, step.weight_decay, grad_scale, step.nesterov};
    for (const SgdTensors& t : tensors) {
      check_same("sgd_step", t.parameter.shape, t.grad.shape);
      check_same("sgd_step", t.parameter.shape, t.momentum.shape);
      with_type("sgd_step", t.parameter.dtype, [&](auto type) {
        using T = decltype(type);
        const T* g = t.grad.as<T>();
        T *m = t.momentum.as<T>(), *p = t.parameter.as<T>();
        parallel_chunks(t.parameter.shape.elements(), kGrain, [update, g, m, p](Index begin, Index end) {
#pragma omp simd
          for (Index i = begin; i < end; ++i) update(g[i], m[i], p[i]);
        });
      });
    }
  }

  void adamw_step(const AdamWStep& step, double grad_scale,
                  const std::vector<AdamWTensors>& tensors) override {
    DUET_CHECK(step.t >= 1, "adamw_step: step ", step.t, " should be at least 1");
    for (const AdamWTensors& t : tensors) {
      check_same("adamw_step", t.parameter.shape, t.grad.shape);
      check_same("adamw_step", t.parameter.shape, t.m.shape);
      check_same("adamw_step", t.parameter.shape, t.v.shape);
      with_type("adamw_step", t.parameter.dtype, [&](auto type) {
        using T = decltype(type);
        const functors::AdamWUpdate<T> update(step, grad_scale);
        const T* g = t.grad.as<T>();
        T *m = t.m.as<T>(), *v = t.v.as<T>(), *p = t.parameter.as<T>();
        parallel_chunks(t.parameter.shape.elements(), kGrain, [update, g, m, v, p](Index begin, Index end) {
#pragma omp simd
          for (Index i = begin; i < end; ++i) update(g[i], m[i], v[i], p[i]);
        });
      });
    }
  }

  void ema_update(double decay, const std::vector<EmaTensors>& tensors) override {
    const functors::EmaUpdate update{decay};
    for (const EmaTensors& t : tensors) {
      check_same("ema_update", t.average.shape, t.x.shape);
      with_type("ema_update", t.average.dtype, [&](auto type) {
        using T = decltype(type);
        const T* in = t.x.as<T>();
        T* to = t.average.as<T>();
        parallel_chunks(t.average.shape.elements(), kGrain, [update, in, to](Index begin, Index end) {
#pragma omp simd
          for (Index i = begin; i < end; ++i) to[i] = update(to[i], in[i]);
        });
      });
    }
  }
};

}  // namespace
}  // namespace duet::ref

namespace duet {

std::unique_ptr<OptimiserKernels> make_ref_optimiser() { return std::make_unique<ref::RefOptimiser>(); }

}  // namespace duet
