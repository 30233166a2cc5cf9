// The scalar functions of pointwise kernels, one definition for the CPU loops and the CUDA kernels: what the
// CPU tests check is the code that the GPU runs.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/core/host_device.h"
#include "engine/core/philox.h"
#include "engine/kernels/optimiser.h"

namespace duet::functors {

struct Scale {
  double factor;
  template <class T>
  DUET_HOST_DEVICE T operator()(T x) const {
    return static_cast<T>(factor) * x;
  }
};

struct Add {
  template <class T>
  DUET_HOST_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};

struct Multiply {
  template <class T>
  DUET_HOST_DEVICE T operator()(T a, T b) const {
    return a * b;
  }
};

struct Maximum {
  template <class T>
  DUET_HOST_DEVICE T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

struct LeakyRelu {
  double slope;
  template <class T>
  DUET_HOST_DEVICE T operator()(T x) const {
    return x > T(0) ? x : static_cast<T>(slope) * x;
  }
};

struct LeakyReluGradient {  // from the output
  double slope;
  template <class T>
  DUET_HOST_DEVICE T operator()(T y, T dy) const {
    return y > T(0) ? dy : static_cast<T>(slope) * dy;
  }
};

// Keeps a draw when its 32 bits reach the threshold round(p 2^32), an integer, so that masks are equal bit
// for bit.
struct DropoutMask {
  PhiloxKey key;
  std::uint64_t threshold;
  DUET_HOST_DEVICE bool keep(std::uint32_t pass, std::uint32_t sample, std::uint64_t element) const {
    PhiloxKey at = key;
    at.pass += pass;
    return draw_bits(at, sample, element) >= threshold;
  }
};

struct SgdUpdate {
  double rate, momentum, weight_decay, grad_scale;
  bool nesterov;
  template <class T>
  DUET_HOST_DEVICE void operator()(T grad, T& m, T& p) const {
    const T g = static_cast<T>(grad_scale) * grad + static_cast<T>(weight_decay) * p;
    m = static_cast<T>(momentum) * m + g;
    p -= static_cast<T>(rate) * (nesterov ? g + static_cast<T>(momentum) * m : m);
  }
};

// One element of AdamW (Loshchilov & Hutter 2019, algorithm 2), the constants worked out beforehand in
// double.
template <class T>
struct AdamWUpdate {
  T decay, beta1, beta2, one_minus_beta1, one_minus_beta2, rate, second_scale, epsilon, grad_scale;

  AdamWUpdate(const AdamWStep& step, double scale)
      : decay(static_cast<T>(1.0 - step.rate * step.weight_decay)),
        beta1(static_cast<T>(step.beta1)),
        beta2(static_cast<T>(step.beta2)),
        one_minus_beta1(static_cast<T>(1.0 - step.beta1)),
        one_minus_beta2(static_cast<T>(1.0 - step.beta2)),
        rate(static_cast<T>(step.rate / (1.0 - std::pow(step.beta1, static_cast<double>(step.t))))),
        second_scale(
            static_cast<T>(1.0 / std::sqrt(1.0 - std::pow(step.beta2, static_cast<double>(step.t))))),
        epsilon(static_cast<T>(step.epsilon)),
        grad_scale(static_cast<T>(scale)) {}

  DUET_HOST_DEVICE void operator()(T grad, T& m, T& v, T& p) const {
    const T g = grad_scale * grad;
    m = beta1 * m + one_minus_beta1 * g;
    v = beta2 * v + one_minus_beta2 * g * g;
    // rate and second_scale hold the bias corrections 1 / (1 - beta^t).
    p = decay * p - rate * m / (std::sqrt(v) * second_scale + epsilon);
  }
};

struct EmaUpdate {
  double decay;
  template <class T>
  DUET_HOST_DEVICE T operator()(T average, T x) const {
    return static_cast<T>(decay) * average + static_cast<T>(1.0 - decay) * x;
  }
};

}  // namespace duet::functors
