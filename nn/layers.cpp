#include "nn/layers.h"

#include <array>

#include "engine/autograd/node.h"
#include "engine/ops/conv.h"
#include "engine/ops/pointwise.h"
#include "engine/ops/region.h"
#include "engine/ops/unchanged.h"
#include "nn/init.h"

namespace duet {
namespace {

Triple in_use(const NetworkConfig& config, Index size, Index along_d) {
  return {config.dimensions == 3 ? size : along_d, size, size};
}

Index product(const Triple& sizes) { return sizes[0] * sizes[1] * sizes[2]; }

ParameterPtr make_constant(LayerSource& source, const std::string& name, Index channels, double value) {
  Tensor tensor = source.backend.filled(Shape::vector(channels), source.dtype, value, "parameter");
  tensor.mark_changed();
  return make_parameter(name, tensor);
}

ParameterPtr make_weight(LayerSource& source, const std::string& name, const Shape& shape, const Fan& fan) {
  const PhiloxKey key{source.seed, Stream::init, source.network, source.next++, 0, 0};
  if (source.blank) {
    return make_parameter(name, source.backend.filled(shape, source.dtype, 0.0, "weights"));
  }
  const double deviation = initial_deviation(source.config.initialisation, fan);
  Tensor tensor = draw_weights(source.backend, shape, source.dtype, deviation, key);
  tensor.mark_changed();
  return make_parameter(name, tensor);
}

void list_parameter(const ParameterPtr& parameter, NamedTensor::Layout layout, Inventory& into) {
  into.parameters.push_back(parameter);
  into.state.push_back({parameter->name, parameter->value, layout});
}

// y = run(x) with a recipe, where recomputation is asked for and x is one step from what is kept: so of a
// chain of convolutions every second one is made again. `dear`: made again once, not for each use. `by`: what
// run() reads beside x; had it changed, gradients would be those of neither.
template <class Run>
Var made_again(const ForwardContext& context, const Var& x, const Var& y, const Run& run,
               const std::array<Unchanged, 2>& by, bool dear) {
  const int depth = x.recipe() ? x.recipe()->depth : 0;
  if (!context.recompute || !y.requires_gradient() || depth > 1) return y;
  return y.with_recipe(
      [run, by, x = x.saved()] {
        for (const Unchanged& each : by) each.view("an activation made again");
        const NoGrad no_grad;
        return run(Var::constant(x.get())).value();
      },
      depth + 1, dear && x.shape().c > 1);
}

}  // namespace

Conv3dSpec same_spec(const NetworkConfig& config) {
  return {in_use(config, 3, 1), {1, 1, 1}, in_use(config, 1, 0)};
}

Conv3dSpec halving_spec(const NetworkConfig& config) {
  return {in_use(config, 2, 1), in_use(config, 2, 1), {0, 0, 0}};
}

ConvLayer make_conv(LayerSource& source, const std::string& name, const Conv3dSpec& spec, Index from,
                    Index to) {
  const auto [d, h, w] = spec.kernel;
  const Index taps = product(spec.kernel);
  const Fan fan{from * taps, to * taps / product(spec.stride)};
  return {spec, make_weight(source, name + ".weight", {to, d, h, w, from}, fan),
          make_constant(source, name + ".bias", to, 0.0)};
}

ConvTransposeLayer make_conv_transpose(LayerSource& source, const std::string& name, const Conv3dSpec& spec,
                                       Index from, Index to) {
  const auto [d, h, w] = spec.kernel;
  const Index taps = product(spec.kernel);
  const Fan fan{from * taps / product(spec.stride), to * taps};
  return {spec, make_weight(source, name + ".weight", {from, d, h, w, to}, fan),
          make_constant(source, name + ".bias", to, 0.0)};
}

NormLayer make_norm(LayerSource& source, const std::string& name, Index channels) {
  NormLayer layer;
  layer.name = name;
  layer.spec.kind = source.config.norm;
  if (layer.spec.kind == NormKind::group) layer.spec.groups = source.config.norm_groups;
  layer.gamma = make_constant(source, name + ".weight", channels, 1.0);
  layer.beta = make_constant(source, name + ".bias", channels, 0.0);
  if (layer.spec.kind == NormKind::batch) {
    layer.running.emplace();
    layer.running->mean = source.backend.filled(Shape::vector(channels), source.dtype, 0.0, "running_mean");
    layer.running->var = source.backend.filled(Shape::vector(channels), source.dtype, 1.0, "running_var");
  }
  return layer;
}

ActivationLayer make_activation(LayerSource& source, const std::string& name) {
  ActivationLayer layer{source.config.activation, source.config.activation_slope, nullptr};
  if (layer.kind == Activation::prelu) layer.weight = make_constant(source, name + ".weight", 1, layer.slope);
  return layer;
}

DropoutLayer make_dropout(const NetworkConfig& config, std::uint32_t number) {
  return {number, config.dropout, config.dropout_p};
}

ConvNormAct make_unit(LayerSource& source, const std::string& prefix, int first, const Conv3dSpec& spec,
                      Index from, Index to) {
  return {make_conv(source, text(prefix, '.', first), spec, from, to),
          make_norm(source, text(prefix, '.', first + 1), to),
          make_activation(source, text(prefix, '.', first + 2))};
}

UpNormAct make_up_unit(LayerSource& source, const std::string& prefix, Index from, Index to) {
  return {make_conv_transpose(source, prefix + ".0", halving_spec(source.config), from, to),
          make_norm(source, prefix + ".1", to), make_activation(source, prefix + ".2")};
}

Stage make_stage(LayerSource& source, const std::string& prefix, int count, Index from, Index to) {
  Stage stage;
  for (int k = 0; k < count; ++k) {
    stage.push_back(make_unit(source, prefix, 3 * k, same_spec(source.config), k == 0 ? from : to, to));
  }
  return stage;
}

Var apply(const ForwardContext& context, const ConvLayer& layer, const Var& x) {
  const Var w = Var::parameter(layer.weight), b = Var::parameter(layer.bias);
  const auto run = [&backend = context.backend, spec = layer.spec, w, b](const Var& in) {
    return conv3d(backend, spec, in, w, b);
  };
  return made_again(context, x, run(x), run, {Unchanged(w), Unchanged(b)}, true);
}

Var apply(const ForwardContext& context, const ConvTransposeLayer& layer, const Var& x) {
  const Var w = Var::parameter(layer.weight), b = Var::parameter(layer.bias);
  const auto run = [&backend = context.backend, spec = layer.spec, w, b](const Var& in) {
    return conv_transpose3d(backend, spec, in, w, b);
  };
  return made_again(context, x, run(x), run, {Unchanged(w), Unchanged(b)}, false);
}

Var apply(const ForwardContext& context, const NormLayer& layer, const Var& x, const NormTail& tail) {
  NormSpec spec = layer.spec;
  if (spec.kind == NormKind::batch) spec.folds = context.folds;
  std::optional<RunningStatistics> running = layer.running;  // handles: the memory is the layer's
  return norm(context.backend, spec, context.norm, x, Var::parameter(layer.gamma), Var::parameter(layer.beta),
              running ? &*running : nullptr, tail);
}

Var apply(const ForwardContext& context, const ActivationLayer& layer, const Var& x) {
  switch (layer.kind) {
    case Activation::relu:
      return relu(context.backend, x);
    case Activation::leaky_relu:
      return leaky_relu(context.backend, x, layer.slope);
    case Activation::prelu:
      return prelu(context.backend, x, Var::parameter(layer.weight));
  }
  throw EngineError("unknown activation");
}

Var apply(const ForwardContext& context, const NormLayer& norm, const ActivationLayer& activation,
          const Var& x, const Var& skip) {
  if (activation.kind != Activation::prelu) {
    const double slope = activation.kind == Activation::relu ? 0.0 : activation.slope;
    return apply(context, norm, x, NormTail{slope, skip, true});
  }
  Var y = apply(context, activation, apply(context, norm, x));
  if (!skip) return y;
  const Index times = y.shape().n / skip.shape().n;
  return add(context.backend, y, times == 1 ? skip : repeat_batch(context.backend, skip, times));
}

namespace {

bool drops(const ForwardContext& context, const DropoutLayer& layer) {
  return context.dropout != DropoutMode::off && layer.p != 0.0;
}

DropoutSpec dropout_spec(const ForwardContext& context, const DropoutLayer& layer, Index samples) {
  DropoutSpec spec;
  const bool train = context.dropout == DropoutMode::train;
  DUET_CHECK(context.network < 16, "dropout: network ", context.network, " should be below 16");
  DUET_CHECK(context.first_pass >= 0, "dropout: first_pass ", context.first_pass, " should be 0 or more");
  DUET_CHECK(!train || context.folds == 1, "dropout: folds ", context.folds, " should be 1 in training");
  const Index pass = train ? 0 : 1 + context.first_pass;
  DUET_CHECK(pass + context.folds <= 4096, "dropout: Monte Carlo pass ", pass + context.folds - 2,
             " is beyond the last, 4094");
  spec.key = {context.seed, Stream::dropout, context.network,
              layer.number, context.step,    static_cast<std::uint32_t>(pass)};
  spec.p = layer.p;
  spec.channels = layer.kind == DropoutKind::channels;
  spec.batch = samples / context.folds;
  spec.first_sample = context.first_sample;
  return spec;
}

}  // namespace

Var apply(const ForwardContext& context, const DropoutLayer& layer, const Var& x) {
  if (!drops(context, layer)) return x;
  return dropout(context.backend, dropout_spec(context, layer, x.shape().n), x);
}

Var apply_head(const ForwardContext& context, const DropoutLayer& layer, const ConvLayer& head,
               const Var& x) {
  const Var w = Var::parameter(head.weight), b = Var::parameter(head.bias);
  if (drops(context, layer) && layer.kind == DropoutKind::channels) {
    const DropoutSpec spec = dropout_spec(context, layer, x.shape().n);
    return pointwise_conv(context.backend, x, w, b, w.dtype(), &spec);
  }
  return pointwise_conv(context.backend, apply(context, layer, x), w, b, w.dtype(), nullptr);
}

Var apply(const ForwardContext& context, const Stage& stage, Var x) {
  for (const ConvNormAct& unit : stage) x = apply(context, unit, std::move(x));
  return x;
}

void list(const ConvLayer& layer, Inventory& into) {
  list_parameter(layer.weight, NamedTensor::Layout::conv, into);
  list_parameter(layer.bias, NamedTensor::Layout::plain, into);
}

void list(const ConvTransposeLayer& layer, Inventory& into) {
  list_parameter(layer.weight, NamedTensor::Layout::conv_transpose, into);
  list_parameter(layer.bias, NamedTensor::Layout::plain, into);
}

void list(const NormLayer& layer, Inventory& into) {
  list_parameter(layer.gamma, NamedTensor::Layout::plain, into);
  list_parameter(layer.beta, NamedTensor::Layout::plain, into);
  if (!layer.running) return;
  into.state.push_back({layer.name + ".running_mean", layer.running->mean, NamedTensor::Layout::plain});
  into.state.push_back({layer.name + ".running_var", layer.running->var, NamedTensor::Layout::plain});
}

void list(const ActivationLayer& layer, Inventory& into) {
  if (layer.weight) list_parameter(layer.weight, NamedTensor::Layout::plain, into);
}

}  // namespace duet
