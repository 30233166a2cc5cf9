#include "cotrain/train/lanes.h"

#include <algorithm>
#include <cmath>

namespace duet {
namespace {

bool all_filled(const Parameter& parameter) {
  return !parameter.lanes.empty() &&
         std::all_of(parameter.lanes.begin(), parameter.lanes.end(),
                     [](const Parameter::Lane& lane) { return lane.has_gradient; });
}

// Dot products gather on the device, and three scalars are read once a network: for the report, and for the
// rule's coefficients, which are made on the host. No rule calls other kernels for other values (sum takes
// its shorter way by config), so on a device the same few scalar operations could make them for scale_by.
LaneProducts measure_lanes(Backend& backend, const std::vector<ParameterPtr>& parameters,
                           const Tasks& tasks) {
  auto sum = [&] { return backend.filled(Shape::scalar(), DType::f64, 0.0, "lanes"); };
  const Tensor inner = sum(), first = sum(), second = sum();
  auto add_dot = [&](const Parameter::Lane& a, const Parameter::Lane& b, const Tensor& to) {
    backend.loss->dot(a.gradient.cview(), b.gradient.cview(), to.view(), Accum::add);
  };
  for (const ParameterPtr& parameter : parameters) {
    const std::vector<Parameter::Lane>& lanes = parameter->lanes;
    if (tasks.both()) add_dot(lanes[0], lanes[1], inner);
    if (tasks.supervised) add_dot(lanes.front(), lanes.front(), first);
    if (tasks.unsupervised) add_dot(lanes.back(), lanes.back(), second);
  }
  return {scalar_value(inner), scalar_value(first), scalar_value(second)};
}

void combine(Backend& backend, Parameter& parameter, const Tasks& tasks, const LaneCoefficients& by,
             bool plain) {
  const Parameter::Lane &first = parameter.lanes.front(), &second = parameter.lanes.back();
  if (!parameter.gradient) {
    parameter.gradient = backend.empty(parameter.value.shape(), parameter.value.dtype(), "lanes");
  }
  const View sum = parameter.gradient.view();
  if (plain && tasks.both()) {
    backend.pointwise->add(first.gradient.cview(), second.gradient.cview(), sum);
  } else {
    if (tasks.supervised) backend.pointwise->scale(first.gradient.cview(), by.supervised, sum, Accum::write);
    if (tasks.unsupervised) {
      backend.pointwise->scale(second.gradient.cview(), by.unsupervised, sum,
                               tasks.supervised ? Accum::add : Accum::write);
    }
  }
  for (Parameter::Lane& lane : parameter.lanes) lane.has_gradient = false;  // gone into the gradient
  parameter.has_gradient = true;
}

LaneReport report_of(const LaneProducts& products) {
  LaneReport report;
  report.supervised_norm = std::sqrt(products.supervised);
  report.unsupervised_norm = std::sqrt(products.unsupervised);
  const double product = report.supervised_norm * report.unsupervised_norm;
  report.cosine = product > 0 ? products.inner / product : 0.0;
  return report;
}

}  // namespace

void open_lanes(const Network& network, const std::string& lanes, std::size_t count) {
  for (const ParameterPtr& parameter : network.parameters()) parameter->lanes.clear();
  if (lanes == "none") return;
  DUET_CHECK(lanes == "tail" || lanes == "all", "lanes: expected tail, all or none, found '", lanes, "'");
  for (const ParameterPtr& parameter : lanes == "all" ? network.parameters() : network.tail_parameters()) {
    parameter->lanes.resize(count);
  }
}

void resize_lanes(const Network& network, std::size_t count) {
  for (const ParameterPtr& parameter : network.parameters()) {
    if (!parameter->lanes.empty()) parameter->lanes.resize(count);
  }
}

LaneReport merge_lanes(Backend& backend, const Network& network, const MethodConfig& config,
                       const Tasks& tasks, double lambda, LaneBalance& balance) {
  std::vector<ParameterPtr> merged;
  for (const ParameterPtr& parameter : network.parameters()) {
    if (!all_filled(*parameter)) continue;
    DUET_CHECK(parameter->lanes.size() == (tasks.both() ? 2u : 1u), "lanes: parameter '", parameter->name,
               "' has ", parameter->lanes.size(), " lanes, which is not one a task of the step");
    merged.push_back(parameter);
  }
  const LaneProducts products = measure_lanes(backend, merged, tasks);
  const LaneCoefficients by = merge_coefficients(config, products, lambda, balance);
  for (const ParameterPtr& parameter : merged) {
    combine(backend, *parameter, tasks, by, config.merge == MergeRule::sum);
  }
  LaneReport report = report_of(products);
  report.measured = !merged.empty();
  return report;
}

}  // namespace duet
