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
  void sgd_step(const SgdStep& step, double grad_scale, ConstView grad, View momentum,
                View parameter) override {
    check_same("sgd_step", parameter.shape, grad.shape);
    check_same("sgd_step", parameter.shape, momentum.shape);
    with_type("sgd_step", parameter.dtype, [&](auto type) {
      using T = decltype(type);
      const functors::SgdUpdate update{step.rate, step.momentum, step.weight_decay, grad_scale,
                                       step.nesterov};
      const T* g = grad.as<T>();
      T *m = momentum.as<T>(), *p = parameter.as<T>();
      parallel_chunks(parameter.shape.elements(), kGrain, [&, update, g, m, p](Index begin, Index end) {
#pragma omp simd
        for (Index i = begin; i < end; ++i) update(g[i], m[i], p[i]);
      });
    });
  }

  void adamw_step(const AdamWStep& step, double grad_scale, ConstView grad, View first, View second,
                  View parameter) override {
    check_same("adamw_step", parameter.shape, grad.shape);
    check_same("adamw_step", parameter.shape, first.shape);
    check_same("adamw_step", parameter.shape, second.shape);
    DUET_CHECK(step.t >= 1, "adamw_step: step ", step.t, " should be at least 1");
    with_type("adamw_step", parameter.dtype, [&](auto type) {
      using T = decltype(type);
      const functors::AdamWUpdate<T> update(step, grad_scale);
      const T* g = grad.as<T>();
      T *m = first.as<T>(), *v = second.as<T>(), *p = parameter.as<T>();
      parallel_chunks(parameter.shape.elements(), kGrain, [update, g, m, v, p](Index begin, Index end) {
#pragma omp simd
        for (Index i = begin; i < end; ++i) update(g[i], m[i], v[i], p[i]);
      });
    });
  }

  void ema_update(double decay, ConstView x, View average) override {
    check_same("ema_update", average.shape, x.shape);
    with_type("ema_update", average.dtype, [&](auto type) {
      using T = decltype(type);
      const functors::EmaUpdate update{decay};
      const T* in = x.as<T>();
      T* to = average.as<T>();
      parallel_chunks(average.shape.elements(), kGrain, [update, in, to](Index begin, Index end) {
#pragma omp simd
        for (Index i = begin; i < end; ++i) to[i] = update(to[i], in[i]);
      });
    });
  }
};

}  // namespace
}  // namespace duet::ref

namespace duet {

std::unique_ptr<OptimiserKernels> make_ref_optimiser() { return std::make_unique<ref::RefOptimiser>(); }

}  // namespace duet
