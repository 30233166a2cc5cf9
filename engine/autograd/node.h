// One recorded operation. Ops call record(); backward() and the graph printers walk nodes. A node knows its
// inputs, not its value: what its backward needs is captured by the function and freed with it when the pass
// has used it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/autograd/var.h"
#include "engine/kernels/accum.h"

namespace duet {

class NodeGradients;

struct Edge {
  std::shared_ptr<Node> node;  // or
  ParameterPtr parameter;      // or neither: a constant
  Shape shape;
  DType dtype = DType::f32;
  bool present = true;  // false: an operand left out, such as no bias
};

class Node {
 public:
  // Given the gradient of the output, stores the gradients of the inputs that want one.
  using Backward = std::function<void(const Tensor& dy, NodeGradients& gradients)>;

  Node(const char* op, const Tensor& value, std::vector<Edge> inputs, Backward backward);
  ~Node();  // frees long chains without recursion
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  const char* op;
  std::uint64_t sequence;  // greater than that of every input
  Shape shape;
  DType dtype;
  std::vector<Edge> inputs;
  Backward backward;  // empty once consumed
};

// The output of op: recorded where an input wants a gradient and no NoGrad is in force, else a constant.
Var record(const char* op, Tensor value, std::initializer_list<Var> inputs, Node::Backward backward);
Var record(const char* op, Tensor value, const std::vector<Var>& inputs, Node::Backward backward);

// While one lives, nothing is recorded in this thread.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
  static bool active();
};

}  // namespace duet
