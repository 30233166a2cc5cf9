#include "cotrain/method/teacher.h"

#include <algorithm>

#include "engine/autograd/node.h"
#include "engine/core/parallel.h"
#include "nn/ema.h"

namespace duet {
namespace {

constexpr std::uint32_t kTeacher = 1;  // its draws' network number; network 1's is 0
constexpr Index kGrain = 4096;         // voxels of a chunk

// Made on the host, like all normal draws, whose last bit differs between libraries of log and cos.
Tensor draw_noise(const Step& step, const MethodConfig& config, const Tensor& like, Index pass) {
  Tensor noise(step.backend.host, like.shape(), like.dtype(), "noise");
  const PhiloxKey key{step.seed, Stream::noise,  kTeacher,
                      0,         step.iteration, static_cast<std::uint32_t>(pass)};
  const Index each = like.shape().with_batch(1).elements();
  for (Index n = 0; n < like.shape().n; ++n) {
    const auto place = static_cast<std::uint32_t>(step.batch.labelled + n);
    float* out = noise.samples(n, n + 1).data<float>();
    parallel_chunks(each, kGrain, [&](Index begin, Index end) {
      for (Index v = begin; v < end; ++v) {
        const double drawn = config.noise * draw_normal(key, place, static_cast<std::uint64_t>(v));
        out[v] = static_cast<float>(std::clamp(drawn, -config.noise_limit, config.noise_limit));
      }
    });
  }
  return moved_to(step.backend.memory, noise);
}

}  // namespace

Tensor teacher_logits(const Step& step, const MethodConfig& config, Index pass) {
  const NoGrad no_grad;
  const Tensor image = step.batch.image.samples(step.batch.labelled, step.batch.image.shape().n);
  const Tensor noisy = draw_noise(step, config, image, pass);
  step.backend.pointwise->add(image.cview(), noisy.cview(), noisy.view());
  ForwardContext context = training_context(step, kTeacher);
  context.norm = NormMode::batch_no_update;
  context.first_sample = step.batch.labelled;
  if (pass > 0) {
    context.dropout = DropoutMode::monte_carlo;
    context.first_pass = pass - 1;
  }
  return step.teachers[0]->forward(context, Var::constant(noisy)).value();
}

std::vector<NamedTerm> student_terms(const Step& step, const MethodConfig& config, const Tensor& target,
                                     const LossWeights& weights) {
  Backend& backend = step.backend;
  const SegmentLogits logits = recorded_logits(step, 0);
  const Var supervised =
      supervised_loss(backend, config, logits.labelled, step.batch.labels, valid_labelled(step));
  const Var consistency =
      squared_error(backend, softmax(backend, logits.unlabelled), Var::constant(target), weights);
  return {{"sup_1", {supervised, 1.0}}, {"uns_1", {consistency, step.lambda}}};
}

void move_teacher(const Step& step, const MethodConfig& config) {
  ema_update(step.backend, ema_decay(config.ema_decay, step.iteration), *step.networks[0], *step.teachers[0]);
}

}  // namespace duet
