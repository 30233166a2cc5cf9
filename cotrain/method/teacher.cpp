#include "cotrain/method/teacher.h"

#include <algorithm>
#include <initializer_list>

#include "engine/autograd/node.h"
#include "engine/core/parallel.h"
#include "nn/ema.h"

namespace duet {
namespace {

// Network numbers of their draws; the networks' are 0 and 1.
constexpr std::uint32_t kTeacher = 1, kTeachersOfPair = 2;
constexpr Index kGrain = 4096;  // voxels of a chunk

// Made on the host, like all normal draws, whose last bit differs between libraries of log and cos.
Tensor draw_noise(const Step& step, const MethodConfig& config, const Tensor& like, Index pass) {
  Tensor noise(step.backend.host, like.shape(), like.dtype(), "noise");
  const PhiloxKey key{step.seed, Stream::noise,  kTeacher,
                      0,         step.iteration, static_cast<std::uint32_t>(pass)};
  const Index each = like.shape().with_batch(1).elements();
  for (Index n = 0; n < like.shape().n; ++n) {
    const auto place = static_cast<std::uint32_t>(step.first_sample + step.batch.labelled + n);
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

Tensor unlabelled_image(const Step& step) {
  return step.batch.image.samples(step.batch.labelled, step.batch.image.shape().n);
}

// Batch norm takes the statistics of what the teacher sees and leaves the running ones alone.
ForwardContext teacher_context(const Step& step, std::size_t number) {
  ForwardContext context = training_context(step, number);
  context.norm = NormMode::batch_no_update;
  context.first_sample = step.first_sample + step.batch.labelled;
  return context;
}

void add_passes(SampleAccumulator& sums, const Step& step, const MethodConfig& config, std::size_t i) {
  const bool own = step.teachers.empty();
  Network& teacher = own ? *step.networks[i] : *step.teachers[i];
  const ForwardContext context = teacher_context(step, own ? i : kTeachersOfPair + i);
  const Encoding encoding = teacher.encode(context, Var::constant(unlabelled_image(step)));
  if (config.samples > 0) {
    add_samples(sums, teacher, context, encoding, {config.samples, config.fold, config.uncertainty});
  } else {
    sums.add(teacher.decode(context, encoding).value(), 1);
  }
}

// Of networks (or teachers) of a pair, all passes together.
Prediction prediction_of(const Step& step, const MethodConfig& config,
                         std::initializer_list<std::size_t> networks) {
  const NoGrad no_grad;
  const Tensor image = unlabelled_image(step);
  const Shape logits = image.shape().with_channels(step.networks[0]->config().classes);
  SampleAccumulator sums(step.backend, logits, image.dtype());
  for (const std::size_t i : networks) add_passes(sums, step, config, i);
  return sums.finish(config.uncertainty);
}

}  // namespace

Tensor teacher_logits(const Step& step, const MethodConfig& config, Index pass) {
  const NoGrad no_grad;
  const Tensor image = unlabelled_image(step);
  const Tensor noisy = draw_noise(step, config, image, pass);
  step.backend.pointwise->add(image.cview(), noisy.cview(), noisy.view());
  ForwardContext context = teacher_context(step, kTeacher);
  if (pass > 0) {
    context.dropout = DropoutMode::monte_carlo;
    context.first_pass = pass - 1;
  }
  return step.teachers[0]->forward(context, Var::constant(noisy)).value();
}

Prediction prediction_of_one(const Step& step, const MethodConfig& config, std::size_t i) {
  return prediction_of(step, config, {i});
}

Prediction prediction_of_pair(const Step& step, const MethodConfig& config) {
  return prediction_of(step, config, {0, 1});
}

std::vector<NamedTerm> student_terms(const Step& whole, const MethodConfig& config, const CutMix& mix,
                                     const Tensor& target, const LossWeights& weights) {
  Backend& backend = whole.backend;
  const Batch batch = mixed(backend, mix, whole.batch);
  const Step step = with_batch(whole, batch);
  const SegmentLogits logits = recorded_logits(step, 0);
  std::vector<NamedTerm> terms;
  if (step.tasks.supervised) {
    const Var loss =
        supervised_loss(backend, config, logits.labelled, step.batch.labels, valid_labelled(step));
    terms.push_back({"sup_1", {loss, 1.0}});
  }
  if (step.tasks.unsupervised) {
    const Var consistency =
        squared_error(backend, softmax(backend, logits.unlabelled), Var::constant(target), weights);
    terms.push_back({"uns_1", {consistency, step.lambda}});
  }
  return terms;
}

void move_teachers(const Step& step, const MethodConfig& config) {
  const double decay = ema_decay(config.ema_decay, step.iteration);
  for (std::size_t i = 0; i < step.teachers.size(); ++i)
    ema_update(step.backend, decay, *step.networks[i], *step.teachers[i]);
}

}  // namespace duet
