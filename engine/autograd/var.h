// What ops take and give: a tensor that remembers how it was made. A Var is a handle; copies share.
// Leaves are constants (no gradient) and parameters (a lasting gradient); everything else is the output of a
// recorded node.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace duet {

class Node;

// The only owner of a gradient that outlives a backward pass. `has_gradient` is the zeroing: false means that
// the next write goes over whatever `gradient` holds.
struct Parameter {
  std::string name;
  Tensor value;
  Tensor gradient;  // shape and type of value; made at the first backward
  bool has_gradient = false;

  // Gradient lanes: one gradient a segment of the batch instead of `gradient`; empty: the parameter has no
  // lanes.
  struct Lane {
    Tensor gradient;
    bool has_gradient = false;
  };
  std::vector<Lane> lanes;

  void clear_gradient() {
    has_gradient = false;
    for (Lane& lane : lanes) lane.has_gradient = false;
  }
};

using ParameterPtr = std::shared_ptr<Parameter>;

ParameterPtr make_parameter(std::string name, Tensor value);

class Var {
 public:
  Var() = default;
  static Var constant(Tensor value);
  static Var parameter(ParameterPtr parameter);

  explicit operator bool() const { return static_cast<bool>(value_); }
  const Tensor& value() const { return value_; }
  const Shape& shape() const { return value_.shape(); }
  DType dtype() const { return value_.dtype(); }
  ConstView view() const { return value_.cview(); }

  bool requires_gradient() const { return node_ || parameter_; }
  const std::shared_ptr<Node>& node() const { return node_; }
  const ParameterPtr& leaf() const { return parameter_; }
  Var detach() const { return constant(value_); }

 private:
  friend Var make_recorded(Tensor value, std::shared_ptr<Node> node);
  Tensor value_;
  std::shared_ptr<Node> node_;
  ParameterPtr parameter_;
};

}  // namespace duet
