#include "cotrain/method/monte_carlo.h"

#include "engine/autograd/node.h"

namespace duet {

SampleAccumulator::SampleAccumulator(Backend& backend, const Shape& logits, DType dtype)
    : backend_(backend),
      probability_(backend.empty(logits, dtype, "monte_carlo")),
      entropy_(backend.empty(logits.with_channels(1), dtype, "monte_carlo")),
      square_(backend.empty(logits.with_channels(1), dtype, "monte_carlo")) {}

void SampleAccumulator::add(const Tensor& logits, Index passes) {
  const SampleSums sums{probability_.view(), entropy_.view(), square_.view()};
  backend_.sampling->accumulate_samples(logits.cview(), passes, sums,
                                        passes_ == 0 ? Accum::write : Accum::add);
  passes_ += passes;
}

Prediction SampleAccumulator::finish(UncertaintyKind kind) {
  DUET_CHECK(passes_ > 0, "monte_carlo: no passes to average");
  Tensor uncertainty = backend_.empty(entropy_.shape(), entropy_.dtype(), "monte_carlo");
  backend_.sampling->finish_samples(kind, passes_, {probability_.view(), entropy_.view(), square_.view()},
                                    uncertainty.view());
  return {std::move(probability_), std::move(uncertainty)};
}

void add_samples(SampleAccumulator& sums, Network& network, ForwardContext context, const Encoding& encoding,
                 const SamplingConfig& config) {
  DUET_CHECK(config.samples >= 1 && config.fold >= 1 && config.samples % config.fold == 0,
             "monte_carlo: fold ", config.fold, " does not divide ", config.samples, " samples");
  const NoGrad no_grad;
  context.dropout = DropoutMode::monte_carlo;
  context.folds = config.fold;
  if (context.norm == NormMode::batch) context.norm = NormMode::batch_no_update;
  for (Index pass = 0; pass < config.samples; pass += config.fold) {
    context.first_pass = pass;
    sums.add(network.decode(context, encoding).value(), config.fold);
  }
}

Prediction monte_carlo(Network& network, const ForwardContext& context, const Encoding& encoding,
                       const SamplingConfig& config) {
  const Var& top = encoding.stages.front();
  SampleAccumulator sums(context.backend, top.shape().with_channels(network.config().classes),
                         master_type(top.dtype()));
  add_samples(sums, network, context, encoding, config);
  return sums.finish(config.kind);
}

Prediction without_sampling(Backend& backend, const Tensor& logits, UncertaintyKind kind) {
  SampleAccumulator sums(backend, logits.shape(), logits.dtype());
  sums.add(logits, 1);
  return sums.finish(kind);
}

}  // namespace duet
