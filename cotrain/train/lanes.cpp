#include "cotrain/train/lanes.h"

#include <cmath>

namespace duet {
namespace {

void accumulate_dot(Backend& backend, const Tensor& a, const Tensor& b, const Tensor& sum) {
  backend.loss->dot(a.cview(), b.cview(), sum.view(), Accum::add);
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

LaneReport merge_lanes(Backend& backend, const Network& network) {
  const Tensor inner = backend.filled(Shape::scalar(), DType::f64, 0.0, "lanes");
  const Tensor first = backend.filled(Shape::scalar(), DType::f64, 0.0, "lanes");
  const Tensor second = backend.filled(Shape::scalar(), DType::f64, 0.0, "lanes");
  for (const ParameterPtr& parameter : network.parameters()) {
    if (parameter->lanes.size() != 2) continue;
    const Parameter::Lane& a = parameter->lanes[0];
    const Parameter::Lane& b = parameter->lanes[1];
    if (!a.has_gradient || !b.has_gradient) continue;
    accumulate_dot(backend, a.gradient, b.gradient, inner);
    accumulate_dot(backend, a.gradient, a.gradient, first);
    accumulate_dot(backend, b.gradient, b.gradient, second);
    if (!parameter->gradient) {
      parameter->gradient = backend.empty(parameter->value.shape(), parameter->value.dtype(), "lanes");
    }
    backend.pointwise->add(a.gradient.cview(), b.gradient.cview(), parameter->gradient.view());
    parameter->has_gradient = true;
  }
  LaneReport report;
  report.supervised_norm = std::sqrt(scalar_value(first));
  report.unsupervised_norm = std::sqrt(scalar_value(second));
  const double product = report.supervised_norm * report.unsupervised_norm;
  report.cosine = product > 0 ? scalar_value(inner) / product : 0.0;
  return report;
}

}  // namespace duet
