#include "nn/optimiser.h"

#include <cmath>
#include <limits>
#include <map>

namespace duet {
namespace {

bool any_lane(const Parameter& parameter) {
  for (const Parameter::Lane& lane : parameter.lanes) {
    if (lane.has_gradient) return true;
  }
  return false;
}

// Lanes that no merge rule has combined are summed, onto a gradient of before there were lanes: the plain
// gradient.
void gather_lanes(Backend& backend, Parameter& parameter) {
  if (!any_lane(parameter)) return;
  if (!parameter.gradient) {
    parameter.gradient = backend.empty(parameter.value.shape(), parameter.value.dtype(), "optimiser");
  }
  for (const Parameter::Lane& lane : parameter.lanes) {
    if (!lane.has_gradient) continue;
    const Accum accum = parameter.has_gradient ? Accum::add : Accum::write;
    backend.pointwise->scale(lane.gradient.cview(), 1.0, parameter.gradient.view(), accum);
    parameter.has_gradient = true;
  }
}

double gradient_norm(Backend& backend, const std::vector<ParameterPtr>& parameters) {
  const Tensor sum = backend.empty(Shape::scalar(), DType::f64, "optimiser");
  Accum accum = Accum::write;
  for (const ParameterPtr& parameter : parameters) {
    if (!parameter->has_gradient) continue;
    const ConstView gradient = parameter->gradient.cview();
    backend.loss->dot(gradient, gradient, sum.view(), accum);
    accum = Accum::add;
  }
  return accum == Accum::write ? 0.0 : std::sqrt(scalar_value(sum));
}

}  // namespace

Optimiser::Optimiser(Backend& backend, OptimiserConfig config, std::vector<ParameterPtr> parameters)
    : backend_(backend), config_(std::move(config)), parameters_(std::move(parameters)) {
  const bool adamw = config_.name == "adamw";
  DUET_CHECK(adamw || config_.name == "sgd", "optimiser: name '", config_.name, "' should be sgd or adamw");
  const auto within = [](const char* name, double value, double low, double below) {
    DUET_CHECK(value >= low && value < below, "optimiser: ", name, ' ', value, " should be in [", low, ", ",
               below, ')');
  };
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  within("clip_norm", config_.clip_norm, 0.0, kInfinite);
  within("weight_decay", config_.weight_decay, 0.0, kInfinite);
  within("momentum", config_.momentum, 0.0, 1.0);
  within("beta1", config_.beta1, 0.0, 1.0);
  within("beta2", config_.beta2, 0.0, 1.0);
  DUET_CHECK(config_.epsilon > 0.0 && std::isfinite(config_.epsilon), "optimiser: epsilon ", config_.epsilon,
             " should be above 0");
  DUET_CHECK(!config_.nesterov || config_.momentum > 0.0, "optimiser: nesterov needs a momentum above 0");
  for (const ParameterPtr& parameter : parameters_) {
    const Tensor& value = parameter->value;
    first_.push_back(backend_.filled(value.shape(), value.dtype(), 0.0, "optimiser"));
    if (adamw) second_.push_back(backend_.filled(value.shape(), value.dtype(), 0.0, "optimiser"));
  }
  updates_.resize(parameters_.size());
}

double Optimiser::step(double rate) {
  DUET_CHECK(std::isfinite(rate), "optimiser: rate ", rate, " should be finite");
  for (const ParameterPtr& parameter : parameters_) gather_lanes(backend_, *parameter);
  double norm = 0.0, factor = 1.0;
  if (config_.clip_norm > 0.0) {
    norm = gradient_norm(backend_, parameters_);
    if (norm > config_.clip_norm) factor = config_.clip_norm / norm;
  }
  ++steps_;
  const SgdStep sgd{rate, config_.momentum, config_.weight_decay, config_.nesterov};
  std::vector<SgdTensors> by_sgd;
  std::map<Index, std::vector<AdamWTensors>> by_adamw;  // by the number of updates: mostly one
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter& parameter = *parameters_[i];
    if (!parameter.has_gradient) continue;
    const ConstView gradient = parameter.gradient.cview();
    const View value = parameter.value.view();
    if (second_.empty()) {
      by_sgd.push_back({gradient, first_[i].view(), value});
    } else {
      by_adamw[++updates_[i]].push_back({gradient, first_[i].view(), second_[i].view(), value});
    }
    parameter.value.mark_changed();
    parameter.clear_gradient();
  }
  if (second_.empty()) {
    backend_.optimiser->sgd_step(sgd, factor, by_sgd);
  } else {
    for (const auto& [updates, tensors] : by_adamw) {
      const AdamWStep adamw{rate,   config_.beta1, config_.beta2, config_.epsilon, config_.weight_decay,
                            updates};
      backend_.optimiser->adamw_step(adamw, factor, tensors);
    }
  }
  return norm;
}

std::vector<NamedTensor> Optimiser::state() const {
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i]->name;
    const auto plain = NamedTensor::Layout::plain;  // never given to PyTorch: kept in our own order
    tensors.push_back({name + (second_.empty() ? ".momentum" : ".m"), first_[i], plain});
    if (!second_.empty()) tensors.push_back({name + ".v", second_[i], plain});
  }
  return tensors;
}

}  // namespace duet
