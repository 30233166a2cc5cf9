// The plan cache: from a pass of a convolution to its primitive, the reorders of its weights and the size of
// its scratch. Called by convolution.cpp. A plan depends on spec, shapes and the number of threads, never on
// data; after the first step of a training every lookup hits.
#pragma once

#include <array>
#include <map>
#include <memory>

#include "engine/backend/onednn/api.h"
#include "engine/backend/onednn/onednn.h"

namespace duet::onednn {

struct PlanRequest {
  ConvPass pass = ConvPass::forward;
  Problem problem;
  bool bias = false;  // of the forward pass
  bool add = false;   // += into the output of a forward or data pass, where the plan can
};

struct Plan {
  Built run;
  // A data pass that runs as a forward convolution of dy with the kernel flipped and its channels swapped
  // (stride 1): the forward kernels are faster, and can add onto dx.
  bool flipped = false;
  bool adds = false;         // `run` adds onto its output
  Built pack;                // forward and data: plain weights -> run.weights
  Built unpack, unpack_add;  // weights: run.weights -> plain dw, = and +=
};

// Whether the data gradient may run as a forward convolution, and which one that is.
bool can_flip(const Problem&);
Problem flipped(const Problem&);

Plan make_plan(const dnnl::engine&, const PlanRequest&);

class PlanCache {
 public:
  std::shared_ptr<const Plan> find(const dnnl::engine&, const PlanRequest&);
  PlanCounters counters() const { return counters_; }

 private:
  using Key = std::array<Index, 29>;
  static Key key_of(const PlanRequest&);

  std::map<Key, std::shared_ptr<const Plan>> plans_;
  PlanCounters counters_;
};

}  // namespace duet::onednn
