// The one backward pass: a list of (loss, weight), their graphs merged, every shared node run once on the
// complete sum of what arrived. Interior gradients belong to the pass; parameters keep theirs. Called by
// trainers and tests.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/autograd/node.h"
#include "engine/kernels/backend.h"

namespace duet {

struct LossTerm {
  Var loss;  // a scalar
  double weight = 1.0;
};

struct BackwardOptions {
  bool retain = false;  // keeps what the nodes saved, so that another backward may pass them
  // Bounds of the batch's segments, {0, labelled, N}: parameters with lanes get one gradient a segment, from
  // the samples of that segment. Every op that reaches such a parameter must run on the whole batch of N
  // samples.
  std::vector<Index> segments;
};

struct BackwardStats {
  std::uint64_t nodes_visited = 0;
  std::uint64_t additions = 0;  // gradients added onto one that was there
  std::size_t peak_bytes = 0;   // greatest live memory of the backend during the pass (not before it)
};

// Throws EngineError: a loss that is no scalar, a node consumed by an earlier pass (named), a parameter with
// lanes reached by an op that cannot split its gradient or runs on another batch, weights that changed since
// the forward pass. After a throw some parameters have this pass's gradients; call clear_gradient() on all.
BackwardStats backward(Backend& backend, std::span<const LossTerm> losses,
                       const BackwardOptions& options = {});

// What a node's backward function stores its input gradients through. The function that it passes gets a view
// and whether to write or to add, and must fill all of the view.
class NodeGradients {
 public:
  bool wanted(std::size_t input) const;

  template <class Body>  // body(View gradient, Accum)
  void into(std::size_t input, const Body& body) {
    if (!wanted(input)) return;
    const Slot slot = open(input);
    body(slot.view, slot.accum);
    slot.done();
  }

  // The same for a kernel that may write over dy: where nobody else holds dy, and nothing has arrived yet,
  // the gradient takes dy's memory. Call it after everything else that reads dy.
  template <class Body>
  void into_or_over(std::size_t input, const Body& body) {
    if (!wanted(input)) return;
    const Slot slot = open_over(input);
    body(slot.view, slot.accum);
    slot.done();
  }

  // The gradient of `input` is dy itself: handed on without a copy where it is the first to arrive. What is
  // shared this way is copied before anything is added onto it.
  void pass_on(std::size_t input);

  // For gradients that are sums over samples (those of parameters): body(View gradient, Accum, begin, end)
  // for the samples [begin, end) of `batch`, once a lane.
  template <class Body>
  void into_segments(std::size_t input, Index batch, const Body& body) {
    if (!wanted(input)) return;
    for (std::size_t lane = 0; lane < lanes(input, batch); ++lane) {
      const Slot slot = open_lane(input, lane, batch);
      body(slot.view, slot.accum, slot.begin, slot.end);
      slot.done();
    }
  }

 private:
  friend BackwardStats backward(Backend&, std::span<const LossTerm>, const BackwardOptions&);
  struct Slot {
    View view;
    Accum accum;
    bool* has_gradient = nullptr;  // of a parameter
    Index begin = 0, end = 0;
    void done() const {
      if (has_gradient) *has_gradient = true;
    }
  };
  using Pending = std::unordered_map<const Node*, Tensor>;

  NodeGradients(Backend& backend, const Node& node, const Tensor& dy, const BackwardOptions& options,
                Pending& pending, BackwardStats& stats)
      : backend_(backend), node_(node), dy_(dy), options_(options), pending_(pending), stats_(stats) {}
  Slot open(std::size_t input);
  Slot open_over(std::size_t input);
  std::size_t lanes(std::size_t input, Index batch) const;
  Slot open_lane(std::size_t input, std::size_t lane, Index batch);
  Slot slot_in(Tensor& gradient, bool filled, bool* has_gradient, const Edge& edge);

  Backend& backend_;
  const Node& node_;
  const Tensor& dy_;
  const BackwardOptions& options_;
  Pending& pending_;
  BackwardStats& stats_;
};

}  // namespace duet
