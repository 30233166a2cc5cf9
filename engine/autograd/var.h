// What ops take and give: a tensor that remembers how it was made. A Var is a handle; copies share.
// Leaves are constants (no gradient) and parameters (a lasting gradient); everything else is the output of a
// recorded node.
#pragma once

#include <functional>
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

// How a value can be made again from what its own backward keeps anyway, so that nodes which need it later do
// not keep it: a normalised and activated tensor is one pass over the tensor before the norm.
struct Recipe {
  std::function<Tensor()> make;
  Tensor::Weak live;  // the value while somebody holds it
  int depth = 1;      // recipes that make() may go through
  bool keep = false;  // once made again, held until the last node that needs it is done: where making is dear
  Tensor kept;
};

// What a node keeps of an operand for its backward: the value, or its recipe.
class Saved {
 public:
  Saved() = default;
  Saved(Tensor value, std::shared_ptr<Recipe> recipe)
      : value_(recipe ? Tensor() : std::move(value)), recipe_(std::move(recipe)) {}
  explicit operator bool() const { return value_ || recipe_; }
  // The value: kept, still held by somebody, or made again (then shared while the caller holds it).
  Tensor get() const;
  // The same, but what is made again is the caller's alone (unique()), to be written over.
  Tensor take() const;

 private:
  Tensor value_;
  std::shared_ptr<Recipe> recipe_;
};

class Var {
 public:
  Var() = default;
  static Var constant(Tensor value);
  static Var parameter(ParameterPtr parameter);

  explicit operator bool() const { return value_ || recipe_; }
  const Tensor& value() const { return value_; }  // empty where released
  const Shape& shape() const { return value_.shape(); }
  DType dtype() const { return value_.dtype(); }
  ConstView view() const { return value_.cview(); }

  bool requires_gradient() const { return node_ || parameter_; }
  const std::shared_ptr<Node>& node() const { return node_; }
  const ParameterPtr& leaf() const { return parameter_; }
  Var detach() const { return constant(value_); }

  // For the backward of an op that takes this Var.
  Saved saved() const { return {value_, recipe_}; }
  const std::shared_ptr<Recipe>& recipe() const { return recipe_; }
  // The same Var, whose users keep the recipe instead of the value.
  Var with_recipe(std::function<Tensor()> make, int depth, bool keep = false) const;
  // The same Var without its value, where it has a recipe: only for users that go through saved().
  Var released() const;

 private:
  friend Var make_recorded(Tensor value, std::shared_ptr<Node> node);
  Tensor value_;
  std::shared_ptr<Node> node_;
  ParameterPtr parameter_;
  std::shared_ptr<Recipe> recipe_;
};

}  // namespace duet
