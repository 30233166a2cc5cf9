// The plan cache: from a pass of a convolution to the fastest plan that cuDNN has for it on this card,
// measured at its first use. Called by device.cpp. After the first step of a training every lookup hits.
#pragma once

#include <array>
#include <map>

#include "engine/backend/cuda/engines.h"
#include "engine/backend/cuda/gemm.h"
#include "engine/backend/cuda/plan_file.h"

namespace duet::cuda {

// Work is queued on `stream`, which is also the handle's. All references outlive the plans.
class Plans {
 public:
  Plans(cudnnHandle_t handle, cudaStream_t stream, Blas& blas, const EngineRules& rules, PlanFile file);

  // As Driver has them.
  bool is_chosen(const ConvCall& call) const { return plans_.contains(key_of(call)); }
  ConvChoice choose(const ConvCall& call, const Memory&);
  void run(const ConvCall& call, const ConvChoice&, void* workspace);
  // Of the plan that choose() takes; empty where there is none. Operands may be empty.
  std::string name(const ConvCall& call, const Memory&);
  bool is_doubtful(const ConvCall& call, const Memory&);
  void judge(const ConvCall& call, bool right);
  PlanCounters counters() const { return counters_; }
  const EngineRules& rules() const { return rules_; }

 private:
  // Pass, accum, types, rules, alignments, spec, shapes.
  using Key = std::array<Index, 33>;

  struct Candidate {
    ConvPlan plan;
    // The plan writes into scratch, and the result is added on: for passes that no engine adds, or none fast.
    bool through_scratch = false;
  };
  // Shared, as work that was recorded with a plan needs the plan's kernels. Empty: there is no engine.
  using Choice = std::shared_ptr<const Candidate>;
  static Choice share(Candidate&& made) { return std::make_shared<Candidate>(std::move(made)); }

  struct Entry {
    Choice choice;
    bool doubtful = false;       // not compared with own kernels yet
    std::vector<Choice> others;  // then: what to fall back on, best first
  };

  Key key_of(const ConvCall&) const;
  const Entry& find(const ConvCall&, const Memory&);
  Entry plan(const ConvCall&, const Key&, const Memory&);
  std::optional<Choice> read(const Key&);
  bool may_run(const Choice&, const ConvCall&, const Memory&);
  void write(const Key&, const Choice&);

  std::vector<Choice> rank(const ConvCall&, const Memory&);
  std::vector<Choice> candidates(const ConvCall&);
  float milliseconds(const Candidate&, const ConvCall&, void* workspace, float best);

  cudnnStatus_t queue(const Candidate&, const ConvCall&, void* workspace);

  cudnnHandle_t handle_;
  cudaStream_t stream_;
  Blas& blas_;
  EngineRules rules_;
  PlanFile file_;
  std::map<Key, Entry> plans_;
  PlanCounters counters_;
};

}  // namespace duet::cuda
