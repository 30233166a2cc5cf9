#include "engine/backend/onednn/norm.h"

#include <cmath>

#include "engine/backend/onednn/lane_loop.h"
#include "engine/backend/onednn/norm_table.h"
#include "engine/backend/onednn/types.h"

namespace duet::onednn {
namespace {

constexpr Index kTask = Index{1} << 15;  // elements of a task
constexpr Index kFlush = 128;            // rows that are summed in float before they go into doubles

// Sums of two values a lane: in float over up to kFlush rows, then in double. sums (2, lanes) for the block.
template <int kVectors>
struct PairSums {
  Floats a[kVectors] = {}, b[kVectors] = {};
  void flush(double* sum_a, double* sum_b) {
    for (int k = 0; k < kVectors; ++k) {
      for (Index l = 0; l < kVector; ++l) {
        sum_a[k * kVector + l] += static_cast<double>(a[k][l]);
        sum_b[k * kVector + l] += static_cast<double>(b[k][l]);
      }
      a[k] = b[k] = Floats{};
    }
  }
};

// Adds all lanes of a channel onto its first lane.
void fold(double* lanes, Index channels, Index count) {
  for (Index base = channels; base < count; base += channels) {
    for (Index c = 0; c < channels; ++c) lanes[c] += lanes[base + c];
  }
}

// sums (2, lanes) of a task. make(block's first lane) gives add(vector k, element, totals) for whole rows,
// with its coefficients by value, so that they stay in registers; one(lane, element, a, b) is for the tail.
template <int kVectors, class Make, class One>
void sum_task(const LaneLoop& loop, const LaneLoop::Task& task, double* sums, const Make& make,
              const One& one) {
  const Index lanes = loop.lanes();
  std::fill(sums, sums + 2 * lanes, 0.0);
  for (Index block = 0; block < loop.blocks; ++block) {
    const Index lane = block * loop.width;
    const auto add = make(lane);
    Index at = task.begin + lane;
    for (Index row = task.first; row < task.last;) {
      PairSums<kVectors> totals;
      for (const Index end = std::min(task.last, row + kFlush); row < end; ++row, at += loop.stride) {
#pragma GCC unroll 4
        for (int k = 0; k < kVectors; ++k) add(k, at + k * kVector, totals);
      }
      totals.flush(sums + lane, sums + lanes + lane);
    }
  }
  const Index after = task.begin + (task.last - task.first) * loop.stride;
  for (Index i = 0; i < task.tail; ++i) one(i, after + i, sums[i], sums[lanes + i]);
  fold(sums, loop.channels, lanes);
  fold(sums + lanes, loop.channels, lanes);
}

// kVectors vectors from a row of a table.
template <int kVectors>
struct Row {
  Floats v[kVectors];
  explicit Row(const float* from) {
    for (int k = 0; k < kVectors; ++k) v[k] = load(from + k * kVector);
  }
};

template <int kVectors, class T>
void statistics(const std::shared_ptr<Allocator>& memory, ConstView x, View mean, View var) {
  const LaneLoop loop(x.shape, kVectors, kTask);
  const Index lanes = loop.lanes(), channels = loop.channels;
  const Scratch scratch(memory, static_cast<std::size_t>(loop.tasks() * 2 * lanes) * sizeof(double), "norm");
  auto* partial = static_cast<double*>(scratch.data());
  const T* in = x.as<T>();
  // Sums are of x - shift, shift being the sample's first voxel, so that they do not cancel.
  parallel_for(loop.tasks(), [&](Index number) {
    const LaneLoop::Task task = loop.task(number);
    const T* first = in + task.sample * loop.sample_size;
    const auto make = [&](Index lane) {
      float values[kVectors * kVector];
      for (Index l = 0; l < kVectors * kVector; ++l) values[l] = first[(lane + l) % channels];
      return [in, shift = Row<kVectors>(values)](int k, Index at, PairSums<kVectors>& totals) {
        const Floats d = load(in + at) - shift.v[k];
        totals.a[k] += d;
        totals.b[k] += d * d;
      };
    };
    const auto one = [&](Index lane, Index at, double& a, double& b) {
      const double d = static_cast<double>(static_cast<float>(in[at])) -
                       static_cast<double>(static_cast<float>(first[lane % channels]));
      a += d;
      b += d * d;
    };
    sum_task<kVectors>(loop, task, partial + number * 2 * lanes, make, one);
  });
  finish_statistics(x, loop, partial, mean, var);
}

template <int kVectors, class T>
void forward(const std::shared_ptr<Allocator>& memory, const NormSpec& spec, const NormOperands& operands,
             ConstView skip, View y) {
  const LaneLoop loop(operands.x.shape, kVectors, kTask);
  const NormTable table(memory, spec, operands, loop, 0);
  const float slope = static_cast<float>(operands.slope);
  const T* in = operands.x.as<T>();
  const T* plus = skip ? skip.as<T>() : nullptr;
  T* out = y.as<T>();
  parallel_for(loop.tasks(), [&](Index number) {
    const LaneLoop::Task task = loop.task(number);
    const Index again = plus ? (task.sample % skip.shape.n - task.sample) * loop.sample_size : 0;
    const float *mean = table.row(task.sample, 0), *factor = table.row(task.sample, 1);
    const float* offset = table.row(task.sample, 2);
    for (Index block = 0; block < loop.blocks; ++block) {
      const Index lane = block * loop.width;
      const Row<kVectors> m(mean + lane), f(factor + lane), o(offset + lane);
      const auto rows = [&](auto with_skip) {
        Index at = task.begin + lane;
        for (Index row = task.first; row < task.last; ++row, at += loop.stride) {
#pragma GCC unroll 4
          for (int k = 0; k < kVectors; ++k) {
            const Floats z = (load(in + at + k * kVector) - m.v[k]) * f.v[k] + o.v[k];
            Floats a = z > 0 ? z : slope * z;
            if constexpr (decltype(with_skip)::value) a += load(plus + at + again + k * kVector);
            store(out + at + k * kVector, a);
          }
        }
      };
      plus ? rows(std::true_type{}) : rows(std::false_type{});
    }
    const Index after = task.begin + (task.last - task.first) * loop.stride;
    for (Index i = 0; i < task.tail; ++i) {
      const float z = (static_cast<float>(in[after + i]) - mean[i]) * factor[i] + offset[i];
      const float a = z > 0 ? z : slope * z;
      out[after + i] = T(plus ? a + static_cast<float>(plus[after + again + i]) : a);
    }
  });
}

template <int kVectors, class T>
void backward_sums(const std::shared_ptr<Allocator>& memory, const NormSpec& spec,
                   const NormOperands& operands, ConstView dy, View sums) {
  const LaneLoop loop(operands.x.shape, kVectors, kTask);
  const NormTable table(memory, spec, operands, loop, 0);
  const float slope = static_cast<float>(operands.slope);
  const Index lanes = loop.lanes();
  const Scratch scratch(memory, static_cast<std::size_t>(loop.tasks() * 2 * lanes) * sizeof(double), "norm");
  auto* partial = static_cast<double*>(scratch.data());
  const T* in = operands.x.as<T>();
  const T* gradient = dy.as<T>();
  parallel_for(loop.tasks(), [&](Index number) {
    const LaneLoop::Task task = loop.task(number);
    const float *mean = table.row(task.sample, 0), *factor = table.row(task.sample, 1);
    const float* offset = table.row(task.sample, 2);
    const auto make = [&](Index lane) {
      return [=, m = Row<kVectors>(mean + lane), f = Row<kVectors>(factor + lane),
              o = Row<kVectors>(offset + lane)](int k, Index at, PairSums<kVectors>& totals) {
        const Floats d = load(in + at) - m.v[k], g = load(gradient + at);
        const Floats dz = d * f.v[k] + o.v[k] > 0 ? g : slope * g;
        totals.a[k] += dz;
        totals.b[k] += dz * d;
      };
    };
    const auto one = [&](Index lane, Index at, double& a, double& b) {
      const float d = static_cast<float>(in[at]) - mean[lane], g = gradient[at];
      const float dz = d * factor[lane] + offset[lane] > 0 ? g : slope * g;
      a += static_cast<double>(dz);
      b += static_cast<double>(dz) * static_cast<double>(d);
    };
    sum_task<kVectors>(loop, task, partial + number * 2 * lanes, make, one);
  });
  finish_backward_sums(spec, operands, loop, partial, sums);
}

template <int kVectors, class T, bool kAdd>
void backward_data(const std::shared_ptr<Allocator>& memory, const NormSpec& spec,
                   const NormOperands& operands, ConstView dy, ConstView sums, View dx) {
  const LaneLoop loop(operands.x.shape, kVectors, kTask);
  NormTable table(memory, spec, operands, loop, 2);
  table.add_corrections(spec, operands, sums);
  const float slope = static_cast<float>(operands.slope);
  const T* in = operands.x.as<T>();
  const T* gradient = dy.as<T>();
  T* out = dx.as<T>();
  parallel_for(loop.tasks(), [&](Index number) {
    const LaneLoop::Task task = loop.task(number);
    const float* rows[5];
    for (Index r = 0; r < 5; ++r) rows[r] = table.row(task.sample, r);
    for (Index block = 0; block < loop.blocks; ++block) {
      const Index lane = block * loop.width;
      const Row<kVectors> m(rows[0] + lane), f(rows[1] + lane), o(rows[2] + lane), b(rows[3] + lane),
          e(rows[4] + lane);
      Index at = task.begin + lane;
      for (Index row = task.first; row < task.last; ++row, at += loop.stride) {
#pragma GCC unroll 4
        for (int k = 0; k < kVectors; ++k) {
          const Index i = at + k * kVector;
          const Floats d = load(in + i) - m.v[k], g = load(gradient + i);
          const Floats dz = d * f.v[k] + o.v[k] > 0 ? g : slope * g;
          Floats value = f.v[k] * dz - b.v[k] - e.v[k] * d;
          if constexpr (kAdd) value += load(out + i);
          store(out + i, value);
        }
      }
    }
    const Index after = task.begin + (task.last - task.first) * loop.stride;
    for (Index l = 0; l < task.tail; ++l) {
      const float d = static_cast<float>(in[after + l]) - rows[0][l], g = gradient[after + l];
      const float dz = d * rows[1][l] + rows[2][l] > 0 ? g : slope * g;
      const float value = rows[1][l] * dz - rows[3][l] - rows[4][l] * d;
      out[after + l] = T(kAdd ? static_cast<float>(out[after + l]) + value : value);
    }
  });
}

// Calls f(vectors, value of type T).
template <class F>
void dispatch(const ConstView& x, const F& f) {
  with_float_or_bf16("norm", x.dtype, [&](auto type) {
    if (vectors_for(x.shape.c) == 4) return f(std::integral_constant<int, 4>{}, type);
    f(std::integral_constant<int, 3>{}, type);
  });
}

class CpuNorm final : public NormKernels {
 public:
  CpuNorm(std::shared_ptr<Allocator> memory, std::unique_ptr<NormKernels> reference)
      : memory_(std::move(memory)), reference_(std::move(reference)) {}

  void norm_statistics(const NormSpec& spec, ConstView x, View mean, View var) override {
    if (!takes(spec, x)) return reference_->norm_statistics(spec, x, mean, var);
    check(spec, x.shape, mean.shape, var.shape);
    dispatch(x, [&](auto v, auto t) { statistics<decltype(v)::value, decltype(t)>(memory_, x, mean, var); });
  }
  void norm_forward(const NormSpec& spec, const NormOperands& in, ConstView skip, View y) override {
    if (!takes(spec, in.x)) return reference_->norm_forward(spec, in, skip, y);
    check(spec, in.x.shape, in.mean.shape, in.var.shape);
    check_same(in.x.shape, y.shape);
    if (skip) check_same(in.x.shape, skip.shape.with_batch(in.x.shape.n));
    DUET_CHECK(!skip || in.x.shape.n % skip.shape.n == 0, "norm: skip ", skip.shape, " of ", in.x.shape);
    dispatch(in.x,
             [&](auto v, auto t) { forward<decltype(v)::value, decltype(t)>(memory_, spec, in, skip, y); });
  }
  void norm_backward_sums(const NormSpec& spec, const NormOperands& in, ConstView dy, View sums) override {
    if (!takes(spec, in.x)) return reference_->norm_backward_sums(spec, in, dy, sums);
    check(spec, in.x.shape, in.mean.shape, in.var.shape);
    check_same(in.x.shape, dy.shape);
    check_same(sums.shape, {dy.shape.n, 1, 1, 2, dy.shape.c});
    dispatch(in.x, [&](auto v, auto t) {
      backward_sums<decltype(v)::value, decltype(t)>(memory_, spec, in, dy, sums);
    });
  }
  void norm_backward_parameters(ConstView sums, View dgamma, Accum gamma_accum, View dbeta,
                                Accum beta_accum) override {
    reference_->norm_backward_parameters(sums, dgamma, gamma_accum, dbeta, beta_accum);
  }
  void norm_backward_data(const NormSpec& spec, const NormOperands& in, ConstView dy, ConstView sums, View dx,
                          Accum accum) override {
    if (!takes(spec, in.x)) return reference_->norm_backward_data(spec, in, dy, sums, dx, accum);
    check(spec, in.x.shape, in.mean.shape, in.var.shape);
    check_same(in.x.shape, dy.shape);
    check_same(in.x.shape, dx.shape);
    dispatch(in.x, [&](auto v, auto t) {
      constexpr int kVectors = decltype(v)::value;
      if (accum == Accum::add)
        return backward_data<kVectors, decltype(t), true>(memory_, spec, in, dy, sums, dx);
      backward_data<kVectors, decltype(t), false>(memory_, spec, in, dy, sums, dx);
    });
  }
  void norm_update_running(ConstView mean, ConstView var, Index count, double momentum, View running_mean,
                           View running_var) override {
    reference_->norm_update_running(mean, var, count, momentum, running_mean, running_var);
  }

 private:
  static bool takes(const NormSpec& spec, const ConstView& x) {
    return x.dtype != DType::f64 && spec.kind != NormKind::group && vectors_for(x.shape.c) != 0;
  }
  static void check_same(const Shape& a, const Shape& b) {
    DUET_CHECK(a == b, "norm: shapes ", a, " and ", b, " differ");
  }
  static void check(const NormSpec& spec, const Shape& x, const Shape& mean, const Shape& var) {
    const Shape expected = norm_statistics_shape(spec, x);
    check_same(expected, mean);
    check_same(expected, var);
  }

  std::shared_ptr<Allocator> memory_;
  std::unique_ptr<NormKernels> reference_;
};

}  // namespace

std::unique_ptr<NormKernels> make_norm(const std::shared_ptr<Allocator>& memory,
                                       std::unique_ptr<NormKernels> reference) {
  return std::make_unique<CpuNorm>(memory, std::move(reference));
}

}  // namespace duet::onednn
