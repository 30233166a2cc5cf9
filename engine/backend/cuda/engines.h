// Which engines cuDNN has for a pass of a convolution, as plans that are ready to run. Called by plans.cpp.
#pragma once

#include <string>

#include "engine/backend/cuda/graph.h"

namespace duet::cuda {

// A pass of a convolution, ready to run.
struct ConvPlan {
  Descriptor plan;
  std::optional<Descriptor> config;  // what it was made of
  std::size_t workspace = 0;         // bytes
  std::string name;                  // "cudnn:engine 38, tensor cores"
};

struct EngineRules {
  bool tf32 = false, deterministic = false;
};

// Plans for a pass, those first that cuDNN holds for the fastest; `most` at most. Plans that need more than
// 256 MiB of workspace are left out unless there is no other. Pointers of the call count for their alignment
// only. Empty where cuDNN has no engine for it.
std::vector<ConvPlan> find_plans(cudnnHandle_t, const ConvCall&, const EngineRules&, std::size_t most);

// A plan as JSON and back; empty where cuDNN cannot.
std::string plan_to_json(const ConvPlan&);
std::optional<ConvPlan> plan_from_json(cudnnHandle_t, const std::string& json, const std::string& name);

// Queues the pass.
cudnnStatus_t execute(cudnnHandle_t, const ConvPlan&, const Operands&, void* workspace);

}  // namespace duet::cuda
