#include "engine/backend/cuda/engines.h"

#include <algorithm>

namespace duet::cuda {
namespace {

using Notes = std::vector<cudnnBackendNumericalNote_t>;

constexpr std::size_t kWorkspaceLimit = std::size_t{256} << 20;
constexpr int kMostTried = 32;  // engine configurations made into plans; some take a second to compile

// What cuDNN's heuristics advise, best first.
std::vector<Descriptor> engine_configs(const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (!heuristics.finalize()) return {};
  const auto read = [&](std::vector<cudnnBackendDescriptor_t>& into) {
    std::int64_t count = 0;
    const cudnnStatus_t status = cudnn().get_attribute(
        heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
        static_cast<std::int64_t>(into.size()), &count, into.empty() ? nullptr : into.data());
    return status == CUDNN_STATUS_SUCCESS ? static_cast<std::size_t>(count) : 0;
  };
  std::vector<cudnnBackendDescriptor_t> handles;
  const std::size_t known = read(handles);
  std::vector<Descriptor> configs;
  for (std::size_t i = 0; i < known; ++i) {
    configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    handles.push_back(configs.back().get());
  }
  const std::size_t given = known == 0 ? 0 : read(handles);
  configs.erase(configs.begin() + static_cast<std::ptrdiff_t>(std::min(given, known)), configs.end());
  return configs;
}

struct Engine {
  std::int64_t index = -1;
  Notes notes;
  bool has(cudnnBackendNumericalNote_t note) const {
    return std::find(notes.begin(), notes.end(), note) != notes.end();
  }
};

std::optional<Engine> engine_of(const Descriptor& config) {
  const Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t handle = engine.get();
  Engine found;
  found.notes.resize(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  const auto capacity = static_cast<std::int64_t>(found.notes.size());
  std::int64_t count = 0, notes = 0;
  if (cudnn().get_attribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                            &count, &handle) != CUDNN_STATUS_SUCCESS ||
      cudnn().get_attribute(handle, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &count,
                            &found.index) != CUDNN_STATUS_SUCCESS ||
      cudnn().get_attribute(handle, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, capacity,
                            &notes, found.notes.data()) != CUDNN_STATUS_SUCCESS) {
    return std::nullopt;
  }
  found.notes.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(notes, 0, capacity)));
  return found;
}

// Inputs and sums keep their precision. In f32, tensor cores mean TF32.
bool allowed(const Engine& engine, const EngineRules& rules, DType type) {
  for (const auto note :
       {CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
        CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6, CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13}) {
    if (engine.has(note)) return false;
  }
  if (rules.deterministic && engine.has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)) return false;
  return type != DType::f32 || rules.tf32 || !engine.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
}

std::string name_of(const Engine& engine) {
  std::string name = text("cudnn:engine ", engine.index);
  if (engine.has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)) name += ", tensor cores";
  if (engine.has(CUDNN_NUMERICAL_NOTE_WINOGRAD)) name += ", Winograd";
  if (engine.has(CUDNN_NUMERICAL_NOTE_FFT)) name += ", FFT";
  return name;
}

bool read_workspace(ConvPlan& plan) {
  std::int64_t bytes = 0, count = 0;
  const cudnnStatus_t status = cudnn().get_attribute(
      plan.plan.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes);
  plan.workspace = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 0));
  return status == CUDNN_STATUS_SUCCESS;
}

std::optional<ConvPlan> plan_of(cudnnHandle_t handle, Descriptor config, std::string name) {
  ConvPlan plan{Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR), std::move(config), 0, std::move(name)};
  plan.plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  plan.plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, *plan.config);
  if (!plan.plan.finalize() || !read_workspace(plan)) return std::nullopt;
  return plan;
}

std::vector<ConvPlan> plans_of(cudnnHandle_t handle, std::vector<Descriptor> configs,
                               const EngineRules& rules, DType type, std::size_t most) {
  std::vector<ConvPlan> plans, large;
  int tried = 0;
  for (Descriptor& config : configs) {
    if (plans.size() >= most || tried >= kMostTried) break;
    const auto engine = engine_of(config);
    if (!engine || !allowed(*engine, rules, type)) continue;
    ++tried;
    auto plan = plan_of(handle, std::move(config), name_of(*engine));
    if (plan) (plan->workspace <= kWorkspaceLimit ? plans : large).push_back(std::move(*plan));
  }
  if (!plans.empty()) return plans;
  std::stable_sort(large.begin(), large.end(),
                   [](const ConvPlan& a, const ConvPlan& b) { return a.workspace < b.workspace; });
  if (large.size() > most) large.erase(large.begin() + static_cast<std::ptrdiff_t>(most), large.end());
  return large;
}

}  // namespace

std::vector<ConvPlan> find_plans(cudnnHandle_t handle, const ConvCall& call, const EngineRules& rules,
                                 std::size_t most) {
  const auto graph = graph_of(handle, call);
  if (!graph) return {};
  for (const auto mode : {CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_FALLBACK}) {
    auto plans = plans_of(handle, engine_configs(*graph, mode), rules, call.activations, most);
    if (!plans.empty()) return plans;
  }
  return {};
}

std::string plan_to_json(const ConvPlan& plan) {
  const auto read = [&](std::string& into) {
    std::int64_t count = 0;
    const cudnnStatus_t status = cudnn().get_attribute(
        plan.plan.get(), CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
        static_cast<std::int64_t>(into.size()), &count, into.empty() ? nullptr : into.data());
    return status == CUDNN_STATUS_SUCCESS && count > 0 ? static_cast<std::size_t>(count) : 0;
  };
  std::string json;
  json.resize(read(json));
  if (json.empty() || read(json) == 0) return {};
  json.resize(std::min(json.size(), json.find('\0')));
  return json;
}

std::optional<ConvPlan> plan_from_json(cudnnHandle_t handle, const std::string& json,
                                       const std::string& name) {
  ConvPlan plan{Descriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR), std::nullopt, 0, name};
  const auto size = static_cast<std::int64_t>(json.size());
  if (cudnn().set_attribute(plan.plan.get(), CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                            size, json.data()) != CUDNN_STATUS_SUCCESS ||
      cudnn().set_attribute(plan.plan.get(), CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
                            &handle) != CUDNN_STATUS_SUCCESS) {
    return std::nullopt;
  }
  if (!plan.plan.finalize() || !read_workspace(plan)) return std::nullopt;
  return plan;
}

cudnnStatus_t execute(cudnnHandle_t handle, const ConvPlan& plan, const Operands& at, void* workspace) {
  const void* pointers[] = {at.x, at.w, at.y};
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::vector<std::int64_t>{kIdX, kIdW, kIdY});
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, pointers);
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  check(cudnn().finalize(pack.get()), "cudnnBackendFinalize of pointers");
  return cudnn().execute(handle, plan.plan.get(), pack.get());
}

}  // namespace duet::cuda
