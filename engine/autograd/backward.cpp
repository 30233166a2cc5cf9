#include "engine/autograd/backward.h"

#include <algorithm>
#include <unordered_set>

namespace duet {
namespace {

// Every node behind the losses, latest first. Sequence numbers are a topological order, so a node comes after
// all that use it.
std::vector<std::shared_ptr<Node>> reachable(std::span<const LossTerm> losses) {
  std::vector<std::shared_ptr<Node>> nodes;
  std::unordered_set<const Node*> seen;
  auto visit = [&](const std::shared_ptr<Node>& node) {
    if (node && seen.insert(node.get()).second) nodes.push_back(node);
  };
  for (const LossTerm& term : losses) visit(term.loss.node());
  for (std::size_t i = 0; i < nodes.size(); ++i) {  // NOLINT(modernize-loop-convert): it grows
    for (std::size_t k = 0; k < nodes[i]->inputs.size(); ++k) visit(nodes[i]->inputs[k].node);
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const auto& a, const auto& b) { return a->sequence > b->sequence; });
  for (const auto& node : nodes) {
    DUET_CHECK(node->backward, "backward: the node '", node->op, "' of shape ", node->shape,
               " was consumed by an earlier backward; pass `retain` to the earlier one");
  }
  return nodes;
}

// The greatest live memory of a part of the work; the allocator's own goes on as if nobody had looked.
class OwnPeak {
 public:
  explicit OwnPeak(Allocator& memory) : memory_(memory), before_(memory.counters().peak_bytes) {
    memory.reset_peak();
  }
  ~OwnPeak() { memory_.raise_peak(before_); }
  OwnPeak(const OwnPeak&) = delete;
  OwnPeak& operator=(const OwnPeak&) = delete;
  std::size_t bytes() const { return memory_.counters().peak_bytes; }

 private:
  Allocator& memory_;
  std::size_t before_;
};

}  // namespace

bool NodeGradients::wanted(std::size_t input) const {
  const Edge& edge = node_.inputs.at(input);
  return edge.node || edge.parameter;
}

// A parameter's flag is set when its gradient is there (Slot::done), so that a kernel that throws leaves
// none.
NodeGradients::Slot NodeGradients::slot_in(Tensor& gradient, bool filled, bool* has_gradient,
                                           const Edge& edge) {
  if (!gradient) {
    gradient = backend_.empty(edge.shape, edge.dtype, node_.op);
    filled = false;
  }
  if (filled) ++stats_.additions;
  return {gradient.view(), filled ? Accum::add : Accum::write, has_gradient};
}

NodeGradients::Slot NodeGradients::open(std::size_t input) {
  const Edge& edge = node_.inputs[input];
  if (edge.parameter) {
    DUET_CHECK(edge.parameter->lanes.empty(), "backward: parameter '", edge.parameter->name,
               "' has lanes, but the op '", node_.op, "' cannot split its gradient by samples");
    Parameter& parameter = *edge.parameter;
    return slot_in(parameter.gradient, parameter.has_gradient, &parameter.has_gradient, edge);
  }
  Tensor& gradient = pending_[edge.node.get()];
  bool filled = static_cast<bool>(gradient);
  if (filled && !gradient.unique()) {  // handed on by pass_on: its other holders must not see the sum
    Tensor own = backend_.empty(edge.shape, edge.dtype, node_.op);
    backend_.pointwise->scale(gradient.cview(), 1.0, own.view(), Accum::write);
    gradient = std::move(own);
  }
  return slot_in(gradient, filled, nullptr, edge);
}

NodeGradients::Slot NodeGradients::open_over(std::size_t input) {
  const Edge& edge = node_.inputs[input];
  const bool fits = edge.node && dy_.unique() && edge.shape == dy_.shape() && edge.dtype == dy_.dtype();
  if (!fits || pending_.contains(edge.node.get())) return open(input);
  pending_[edge.node.get()] = dy_;
  return {dy_.view(), Accum::write};
}

void NodeGradients::pass_on(std::size_t input) {
  if (!wanted(input)) return;
  const Edge& edge = node_.inputs[input];
  if (edge.node && !pending_.contains(edge.node.get())) {
    pending_[edge.node.get()] = dy_;
    return;
  }
  into(input, [&](View dx, Accum accum) { backend_.pointwise->scale(dy_.cview(), 1.0, dx, accum); });
}

std::size_t NodeGradients::lanes(std::size_t input, Index batch) const {
  const Edge& edge = node_.inputs[input];
  if (!edge.parameter || edge.parameter->lanes.empty()) return 1;
  const std::vector<Index>& bounds = options_.segments;
  DUET_CHECK(
      bounds.size() == edge.parameter->lanes.size() + 1 && bounds.front() == 0 && bounds.back() == batch,
      "backward: parameter '", edge.parameter->name, "' has ", edge.parameter->lanes.size(),
      " lanes, but the segments given do not divide the ", batch, " samples of op '", node_.op,
      "' into as many");
  return edge.parameter->lanes.size();
}

NodeGradients::Slot NodeGradients::open_lane(std::size_t input, std::size_t lane, Index batch) {
  const Edge& edge = node_.inputs[input];
  Slot slot;
  if (!edge.parameter || edge.parameter->lanes.empty()) {
    slot = open(input);
    slot.begin = 0;
    slot.end = batch;
    return slot;
  }
  Parameter::Lane& target = edge.parameter->lanes[lane];
  slot = slot_in(target.gradient, target.has_gradient, &target.has_gradient, edge);
  slot.begin = options_.segments[lane];
  slot.end = options_.segments[lane + 1];
  return slot;
}

BackwardStats backward(Backend& backend, std::span<const LossTerm> losses, const BackwardOptions& options) {
  for (const LossTerm& term : losses) {
    DUET_CHECK(term.loss && term.loss.value().elements() == 1, "backward: a loss must be a scalar");
    DUET_CHECK(term.loss.node(), "backward: a loss does not depend on any parameter");
  }
  for (std::size_t i = 1; i < options.segments.size(); ++i) {
    DUET_CHECK(options.segments[i - 1] < options.segments[i], "backward: segment ", i - 1, " is empty: [",
               options.segments[i - 1], ",", options.segments[i], ")");
  }
  std::vector<std::shared_ptr<Node>> nodes = reachable(losses);
  BackwardStats stats;
  const OwnPeak peak(*backend.memory);

  NodeGradients::Pending pending;
  std::unordered_map<const Node*, double> seeds;  // a loss listed twice gets the sum of its weights
  for (const LossTerm& term : losses) seeds[term.loss.node().get()] += term.weight;
  for (const LossTerm& term : losses) {
    const Node* node = term.loss.node().get();
    if (!pending[node])
      pending[node] = backend.filled(term.loss.shape(), term.loss.dtype(), seeds[node], "backward");
  }

  for (std::shared_ptr<Node>& node : nodes) {
    const auto found = pending.find(node.get());
    if (found == pending.end()) continue;  // nothing arrived
    const Tensor dy = std::move(found->second);
    pending.erase(found);
    NodeGradients gradients(backend, *node, dy, options, pending, stats);
    node->backward(dy, gradients);
    ++stats.nodes_visited;
    if (!options.retain) node->backward = nullptr;
    node.reset();
  }
  stats.peak_bytes = peak.bytes();
  return stats;
}

}  // namespace duet
