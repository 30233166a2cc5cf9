#include "engine/autograd/node.h"

#include <atomic>

namespace duet {
namespace {

thread_local int no_grad_depth = 0;

std::uint64_t next_sequence() {
  static std::atomic<std::uint64_t> counter{0};
  return ++counter;
}

}  // namespace

NoGrad::NoGrad() { ++no_grad_depth; }
NoGrad::~NoGrad() { --no_grad_depth; }
bool NoGrad::active() { return no_grad_depth > 0; }

ParameterPtr make_parameter(std::string name, Tensor value) {
  auto parameter = std::make_shared<Parameter>();
  parameter->name = std::move(name);
  parameter->value = std::move(value);
  parameter->value.mark_changed();
  return parameter;
}

Tensor Saved::get() const {
  if (!recipe_) return value_;
  Tensor value = recipe_->live.lock();
  if (value) return value;
  value = recipe_->make();
  recipe_->live = Tensor::Weak(value);
  if (recipe_->keep) recipe_->kept = value;
  return value;
}

Tensor Saved::take() const {
  if (!recipe_) return value_;
  Tensor value = recipe_->live.lock();
  return value ? value : recipe_->make();
}

Var Var::with_recipe(std::function<Tensor()> make, int depth, bool keep) const {
  Var var = *this;
  var.recipe_ = std::make_shared<Recipe>(Recipe{std::move(make), Tensor::Weak(value_), depth, keep, {}});
  return var;
}

Var Var::released() const {
  Var var = *this;
  if (recipe_) var.value_ = value_.shell();
  return var;
}

Var Var::constant(Tensor value) {
  Var var;
  var.value_ = std::move(value);
  return var;
}

Var Var::parameter(ParameterPtr parameter) {
  Var var;
  var.value_ = parameter->value;
  var.parameter_ = std::move(parameter);
  return var;
}

Var make_recorded(Tensor value, std::shared_ptr<Node> node) {
  Var var;
  var.value_ = std::move(value);
  var.node_ = std::move(node);
  return var;
}

Node::Node(const char* op_name, const Tensor& value, std::vector<Edge> edges, Backward function)
    : op(op_name),
      sequence(next_sequence()),
      shape(value.shape()),
      dtype(value.dtype()),
      inputs(std::move(edges)),
      backward(std::move(function)) {}

Node::~Node() {
  // A node that only this one holds is emptied here instead of in its own destructor, so that depth stays
  // constant. One that is an input twice is let go of once before it counts as held once.
  std::vector<std::shared_ptr<Node>> orphans;
  auto adopt = [&](std::vector<Edge>& edges) {
    for (Edge& edge : edges) {
      if (edge.node && edge.node.use_count() == 1) orphans.push_back(std::move(edge.node));
      edge.node.reset();
    }
  };
  adopt(inputs);
  while (!orphans.empty()) {
    const std::shared_ptr<Node> node = std::move(orphans.back());
    orphans.pop_back();
    adopt(node->inputs);
  }
}

Var record(const char* op, Tensor value, const std::vector<Var>& inputs, Node::Backward backward) {
  bool wanted = false;
  for (const Var& input : inputs) wanted = wanted || input.requires_gradient();
  if (!wanted || NoGrad::active()) return Var::constant(std::move(value));
  std::vector<Edge> edges;
  edges.reserve(inputs.size());
  for (const Var& input : inputs) {
    edges.push_back({input.node(), input.leaf(), input.shape(), input.dtype(), static_cast<bool>(input)});
  }
  auto node = std::make_shared<Node>(op, value, std::move(edges), std::move(backward));
  return make_recorded(std::move(value), std::move(node));
}

Var record(const char* op, Tensor value, std::initializer_list<Var> inputs, Node::Backward backward) {
  return record(op, std::move(value), std::vector<Var>(inputs), std::move(backward));
}

}  // namespace duet
