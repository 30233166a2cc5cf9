#include "engine/backend/onednn/norm_table.h"

#include <cmath>
#include <vector>

#include "engine/backend/onednn/types.h"

namespace duet::onednn {
namespace {

// The row of mean and var that a sample's come from (batch norm: one a fold, or one in all).
Index set_of(const NormSpec& spec, const Shape& x, Index sample) {
  const Index sets = norm_statistics_shape(spec, x).n;
  return sample / (x.n / sets);
}

double deviation_inverse(float var, double epsilon) {
  return 1.0 / std::sqrt(static_cast<double>(var) + epsilon);
}

}  // namespace

NormTable::NormTable(const std::shared_ptr<Allocator>& memory, const NormSpec& spec, const NormOperands& in,
                     const LaneLoop& loop, Index extra)
    : rows_(3 + extra),
      lanes_(loop.lanes()),
      scratch_(memory, static_cast<std::size_t>(loop.samples * rows_ * lanes_) * sizeof(float), "norm"),
      data_(static_cast<float*>(scratch_.data())) {
  const Index channels = loop.channels;
  for (Index n = 0; n < loop.samples; ++n) {
    const Index at = set_of(spec, in.x.shape, n) * channels;
    float *mean = row(n, 0), *factor = row(n, 1), *offset = row(n, 2);
    for (Index c = 0; c < channels; ++c) {
      const double gamma = in.gamma ? static_cast<double>(in.gamma.as<float>()[c]) : 1.0;
      mean[c] = in.mean.as<float>()[at + c];
      factor[c] = static_cast<float>(gamma * deviation_inverse(in.var.as<float>()[at + c], spec.epsilon));
      offset[c] = in.beta ? in.beta.as<float>()[c] : 0.0F;
    }
    for (Index r = 0; r < 3; ++r) tile(row(n, r), channels);
  }
}

void NormTable::add_corrections(const NormSpec& spec, const NormOperands& in, ConstView sums) {
  const Shape& x = in.x.shape;
  const Index channels = x.c, sets = norm_statistics_shape(spec, x).n;
  const Index samples = x.n / sets;
  const auto count = static_cast<double>(samples * x.voxels());
  std::vector<double> totals(static_cast<std::size_t>(sets * 2 * channels), 0.0);
  for (Index n = 0; n < x.n && !spec.fixed_statistics; ++n) {
    const float* s = sums.as<float>() + n * 2 * channels;
    double* total = totals.data() + set_of(spec, x, n) * 2 * channels;
    for (Index i = 0; i < 2 * channels; ++i) {
      const double gamma = in.gamma ? static_cast<double>(in.gamma.as<float>()[i % channels]) : 1.0;
      total[i] += gamma * static_cast<double>(s[i]);
    }
  }
  for (Index n = 0; n < x.n; ++n) {
    const Index set = set_of(spec, x, n);
    const double* total = totals.data() + set * 2 * channels;
    float *b = row(n, 3), *e = row(n, 4);
    for (Index c = 0; c < channels; ++c) {
      const double r = deviation_inverse(in.var.as<float>()[set * channels + c], spec.epsilon);
      b[c] = static_cast<float>(r * total[c] / count);
      e[c] = static_cast<float>(r * r * total[channels + c] / count);
    }
    tile(b, channels);
    tile(e, channels);
  }
}

void NormTable::tile(float* lanes, Index channels) const {
  for (Index l = channels; l < lanes_; ++l) lanes[l] = lanes[l - channels];
}

void finish_statistics(ConstView x, const LaneLoop& loop, const double* partial, View mean, View var) {
  const Index channels = loop.channels, lanes = loop.lanes(), sets = mean.shape.n;
  const Index samples = x.shape.n / sets;
  parallel_for(sets * channels, [&](Index at) {
    const Index set = at / channels, c = at % channels;
    // Mean and sum of squared differences of what was seen so far; parts merge without cancellation (Chan et
    // al. 1979).
    double count = 0, average = 0, squares = 0;
    for (Index number = set * samples * loop.tasks_of_sample;
         number < (set + 1) * samples * loop.tasks_of_sample; ++number) {
      const LaneLoop::Task task = loop.task(number);
      const double voxels = static_cast<double>(loop.voxels_of(task));
      if (voxels == 0) continue;
      const Index first = task.sample * loop.sample_size + c;
      double shift = 0;
      with_float_or_bf16("norm", x.dtype, [&](auto type) {
        shift = static_cast<double>(static_cast<float>(x.as<decltype(type)>()[first]));
      });
      const double sum = partial[number * 2 * lanes + c], square = partial[(number * 2 + 1) * lanes + c];
      const double part = shift + sum / voxels, delta = part - average, total = count + voxels;
      average += delta * voxels / total;
      squares += std::max(0.0, square - sum * sum / voxels) + delta * delta * count * voxels / total;
      count = total;
    }
    mean.as<float>()[at] = static_cast<float>(average);
    var.as<float>()[at] = static_cast<float>(squares / count);
  });
}

void finish_backward_sums(const NormSpec& spec, const NormOperands& in, const LaneLoop& loop,
                          const double* partial, View sums) {
  const Index channels = loop.channels, lanes = loop.lanes();
  float* out = sums.as<float>();
  parallel_for(loop.samples, [&](Index n) {
    const Index set = set_of(spec, in.x.shape, n);
    for (Index c = 0; c < channels; ++c) {
      double sum = 0, product = 0;
      for (Index task = n * loop.tasks_of_sample; task < (n + 1) * loop.tasks_of_sample; ++task) {
        sum += partial[task * 2 * lanes + c];
        product += partial[(task * 2 + 1) * lanes + c];
      }
      const double r = deviation_inverse(in.var.as<float>()[set * channels + c], spec.epsilon);
      out[2 * n * channels + c] = static_cast<float>(sum);
      out[(2 * n + 1) * channels + c] = static_cast<float>(product * r);
    }
  });
}

}  // namespace duet::onednn
