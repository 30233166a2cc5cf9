#include "cotrain/method/method.h"

#include <algorithm>
#include <cmath>

#include "engine/ops/region.h"

namespace duet {

std::unique_ptr<Method> make_method(const MethodConfig& config) {
  if (config.name == "supervised") return make_supervised(config);
  if (config.name == "mean_teacher") return make_mean_teacher(config);
  if (config.name == "ua_mt") return make_ua_mt(config);
  if (config.name == "cps") return make_cps(config);
  if (config.name == "udct") return make_udct(config);
  throw EngineError(text("method '", config.name, "' is not known"));
}

Index warm_up_iterations(const MethodConfig& config, Index iterations) {
  return std::llround(config.warm_up * static_cast<double>(iterations));
}

Tasks tasks_of(const MethodConfig& config, Index iteration, Index iterations) {
  if (iteration < warm_up_iterations(config, iterations)) return {true, false};
  if (!config.alternating) return {};
  return {iteration % 2 == 0, iteration % 2 != 0};
}

double ramp_share(const MethodConfig& config, Index iteration, Index iterations) {
  const Index since = iteration - warm_up_iterations(config, iterations);
  if (since < 0) return 0.0;
  const double end = config.ramp * static_cast<double>(iterations);
  const double at = end > 0 ? std::min(1.0, static_cast<double>(since) / end) : 1.0;
  return std::exp(-5.0 * (1.0 - at) * (1.0 - at));
}

double ramp(const MethodConfig& config, Index iteration, Index iterations) {
  return config.lambda_max * ramp_share(config, iteration, iterations);
}

ForwardContext training_context(const Step& step, std::size_t network) {
  ForwardContext context{step.backend};
  context.dropout = DropoutMode::train;
  context.norm = NormMode::batch;
  context.bf16 = step.bf16;
  context.recompute = step.recompute;
  context.seed = step.seed;
  context.network = static_cast<std::uint32_t>(network);
  context.step = step.iteration;
  context.first_sample = step.first_sample;
  return context;
}

SegmentLogits split_segments(const Step& step, const Var& logits) {
  const Index labelled = step.batch.labelled;
  if (!step.tasks.both())
    return step.tasks.supervised ? SegmentLogits{logits, {}} : SegmentLogits{{}, logits};
  return {samples(step.backend, logits, 0, labelled),
          samples(step.backend, logits, labelled, logits.shape().n)};
}

SegmentLogits recorded_logits(const Step& step, std::size_t network) {
  return split_segments(step, step.networks[network]->forward(training_context(step, network),
                                                              Var::constant(step.batch.image)));
}

Tensor valid_labelled(const Step& step) { return step.batch.valid.samples(0, step.batch.labelled); }

Tensor valid_unlabelled(const Step& step) {
  return step.batch.valid.samples(step.batch.labelled, step.batch.valid.shape().n);
}

Var supervised_loss(Backend& backend, const MethodConfig& config, const Var& logits, const Tensor& labels,
                    const Tensor& weights) {
  const DiceSpec dice{1e-5, config.dice_background};
  return segmentation_loss(backend, dice, logits, labels, normalised_by_sum(backend, weights));
}

Var pseudo_label_loss(Backend& backend, const MethodConfig& config, const Var& logits, const Tensor& target,
                      const LossWeights& weights) {
  Tensor classes = backend.empty(target.shape().with_channels(1), DType::u8, "pseudo labels");
  backend.sampling->argmax(target.cview(), classes.view());
  if (!config.target_dice) return cross_entropy(backend, logits, classes, weights);
  return segmentation_loss(backend, {1e-5, config.dice_background}, logits, classes, weights);
}

}  // namespace duet
