#include "engine/backend/cuda/plans.h"

#include <algorithm>
#include <cstdio>
#include <limits>

namespace duet::cuda {
namespace {

constexpr std::size_t kMostCandidates = 8;
constexpr int kTimedRuns = 3;
constexpr float kHopeless = 3.0f;  // times the best so far: one run is enough then
constexpr float kNever = std::numeric_limits<float>::infinity();
// Far above the number of convolutions of any training; a flood of shapes starts afresh.
constexpr std::size_t kMostPlans = 4096;

class Event {
 public:
  Event() { check(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  float milliseconds_since(const Event& earlier) const {
    float milliseconds = 0;
    check(cudaEventSynchronize(event_), "convolution while it was timed");
    check(cudaEventElapsedTime(&milliseconds, earlier.event_, event_), "cudaEventElapsedTime");
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// Rounded so that a workspace behind it is aligned.
std::size_t bytes_of(const Shape& shape, DType type) {
  return (static_cast<std::size_t>(shape.elements()) * size_of(type) + 255) / 256 * 256;
}
std::size_t result_bytes(const ConvCall& c) { return bytes_of(result_shape(c), result_type(c)); }

// A key as the plan file has it.
template <class Key>
std::string text_of(const Key& key) {
  std::string joined;
  for (const Index number : key) {
    if (!joined.empty()) joined += ',';
    joined += std::to_string(number);
  }
  return joined;
}

// The pass into scratch, to be added on afterwards.
ConvCall writing(ConvCall call) {
  call.accum = Accum::write;
  call.result = nullptr;  // well aligned
  return call;
}

// What a choice needs beside its operands: scratch for the result, and the library's own workspace behind it.
std::size_t workspace_bytes(const ConvPlan& plan, bool through_scratch, const ConvCall& call) {
  return plan.workspace + (through_scratch ? result_bytes(call) : 0);
}

constexpr const char* kTimed = "convolution that is timed";

// Empty where there is no memory for it.
std::optional<Scratch> scratch_if_any(const Memory& memory, std::size_t bytes) {
  try {
    return Scratch(memory, bytes, kTimed);
  } catch (const Error& error) {
    if (error.code() != ExitCode::device) throw;
    return std::nullopt;
  }
}

// Operands that a plan may be tried on: the call's own inputs, and its result where that is to be written
// over anyway; zeros in place of the others. Where there is no memory for them it is not complete, or, where
// it `has_to_be`, throws Error(device).
class StandIns {
 public:
  StandIns(const ConvCall& call, const Memory& memory, cudaStream_t stream, bool has_to_be)
      : call_(call), memory_(memory), stream_(stream), has_to_be_(has_to_be) {
    if (!call.first) call_.first = zeros(bytes_of(first_shape(call), call.activations));
    if (!call.second) call_.second = zeros(bytes_of(second_shape(call), second_type(call)));
    if (!call.result || call.accum == Accum::add) call_.result = zeros(result_bytes(call));
  }

  bool complete() const { return call_.first && call_.second && call_.result; }
  const ConvCall& call() const { return call_; }

 private:
  void* zeros(std::size_t bytes) {
    auto block = has_to_be_ ? std::optional<Scratch>(std::in_place, memory_, bytes, kTimed)
                            : scratch_if_any(memory_, bytes);
    if (!block) return nullptr;
    check(cudaMemsetAsync(block->data(), 0, bytes, stream_), "cudaMemsetAsync");
    blocks_.push_back(std::move(*block));
    return blocks_.back().data();
  }

  ConvCall call_;
  const Memory& memory_;
  cudaStream_t stream_;
  bool has_to_be_;
  std::vector<Scratch> blocks_;
};

}  // namespace

Plans::Plans(cudnnHandle_t handle, cudaStream_t stream, Blas& blas, const EngineRules& rules, PlanFile file)
    : handle_(handle), stream_(stream), blas_(blas), rules_(rules), file_(std::move(file)) {}

ConvChoice Plans::choose(const ConvCall& call, const Memory& memory) {
  const Choice& choice = find(call, memory).choice;
  if (!choice) return {};
  return {choice, workspace_bytes(choice->plan, choice->through_scratch, call)};
}

void Plans::run(const ConvCall& call, const ConvChoice& choice, void* workspace) {
  check(queue(*static_cast<const Candidate*>(choice.plan.get()), call, workspace), "convolution");
}

std::string Plans::name(const ConvCall& call, const Memory& memory) {
  const PlanCounters before = counters_;
  const Choice& choice = find(call, memory).choice;
  counters_ = before;
  if (!choice) return {};
  return choice->plan.name + (choice->through_scratch ? ", added on" : "");
}

Plans::Key Plans::key_of(const ConvCall& c) const {
  Key key{};
  std::size_t at = 0;
  const auto put = [&](auto... values) { ((key[at++] = static_cast<Index>(values)), ...); };
  const auto put_shape = [&](const Shape& s) { put(s.n, s.d, s.h, s.w, s.c); };
  put(c.pass, c.accum, c.activations, c.weights, rules_.tf32, rules_.deterministic);
  // Samples of a batch may begin anywhere, which wide loads do not bear.
  put(alignment_of(c.first), alignment_of(c.second), alignment_of(c.result));
  for (const Triple& t : {c.spec.kernel, c.spec.stride, c.spec.padding}) put(t[0], t[1], t[2]);
  put_shape(c.x);
  put_shape(c.w);
  put_shape(c.y);
  return key;
}

const Plans::Entry& Plans::find(const ConvCall& call, const Memory& memory) {
  const Key key = key_of(call);
  const auto found = plans_.find(key);
  if (found != plans_.end()) {
    ++counters_.hits;
    return found->second;
  }
  ++counters_.misses;
  if (plans_.size() >= kMostPlans) plans_.clear();
  return plans_.emplace(key, plan(call, key, memory)).first->second;
}

// What the file has was compared where it had to be.
Plans::Entry Plans::plan(const ConvCall& call, const Key& key, const Memory& memory) {
  Entry entry;
  if (std::optional<Choice> kept = read(key); kept && may_run(*kept, call, memory)) {
    entry.choice = std::move(*kept);
    return entry;
  }
  std::vector<Choice> ranked = rank(call, memory);
  if (!ranked.empty()) {
    entry.choice = std::move(ranked.front());
    ranked.erase(ranked.begin());
    entry.doubtful = may_err(cudnn().version(), call, rules_.tf32);
  }
  if (entry.doubtful) {
    entry.others = std::move(ranked);
  } else if (entry.choice || candidates(call).empty()) {  // not where those there are would not run today
    write(key, entry.choice);
  }
  return entry;
}

bool Plans::is_doubtful(const ConvCall& call, const Memory& memory) {
  if (!may_err(cudnn().version(), call, rules_.tf32)) return false;
  const auto hits = counters_.hits;
  const bool doubtful = find(call, memory).doubtful;
  counters_.hits = hits;
  return doubtful;
}

void Plans::judge(const ConvCall& call, bool right) {
  const Key key = key_of(call);
  const auto found = plans_.find(key);
  if (found == plans_.end() || !found->second.doubtful) return;
  Entry& entry = found->second;
  if (!right) {
    std::fprintf(stderr, "%s: %s computes a convolution of x %s with w %s wrongly; not used\n",
                 cudnn_version().c_str(), entry.choice->plan.name.c_str(), text(call.x).c_str(),
                 text(call.w).c_str());
    const bool last = entry.others.empty();
    entry.choice = last ? nullptr : std::move(entry.others.front());
    if (!last) entry.others.erase(entry.others.begin());
    if (!last) return;
  }
  entry.doubtful = false;
  entry.others.clear();
  write(key, entry.choice);
}

// Empty where the file knows nothing, or a plan that cuDNN does not take.
std::optional<Plans::Choice> Plans::read(const Key& key) {
  const StoredPlan* stored = file_.find(text_of(key));
  if (!stored) return std::nullopt;
  if (stored->json.empty()) return Choice{};
  auto plan = plan_from_json(handle_, stored->json, stored->name);
  if (!plan) return std::nullopt;
  return share({std::move(*plan), stored->through_scratch});
}

void Plans::write(const Key& key, const Choice& choice) {
  if (!choice) return file_.add(text_of(key), {});
  std::string json = plan_to_json(choice->plan);
  if (!json.empty()) file_.add(text_of(key), {choice->plan.name, std::move(json), choice->through_scratch});
}

// What to try, in cuDNN's order. Where the result is to be added on: engines that do so by themselves, then
// some that write.
std::vector<Plans::Choice> Plans::candidates(const ConvCall& call) {
  const bool adds = call.accum == Accum::add;
  std::vector<Choice> found;
  for (ConvPlan& plan : find_plans(handle_, call, rules_, adds ? kMostCandidates / 2 : kMostCandidates)) {
    found.push_back(share({std::move(plan), false}));
  }
  if (!adds) return found;
  for (ConvPlan& plan : find_plans(handle_, writing(call), rules_, kMostCandidates - found.size())) {
    found.push_back(share({std::move(plan), true}));
  }
  return found;
}

// Whether a plan from the file runs: tried, where there is memory for that.
bool Plans::may_run(const Choice& kept, const ConvCall& call, const Memory& memory) {
  if (!kept) return true;
  const StandIns on(call, memory, stream_, false);
  const auto workspace = scratch_if_any(memory, workspace_bytes(kept->plan, kept->through_scratch, call));
  if (!on.complete() || !workspace) return true;
  return milliseconds(*kept, on.call(), workspace->data(), 0.0f) != kNever;  // whatever time it takes
}

// The candidates that run, the fastest first; without a clock, where runs are to repeat each other, in
// cuDNN's order. Of those that need not be compared the first is enough. Throws Error(device) where there are
// some, and no memory to run any; where runs are to repeat each other also where one would be passed over for
// want of memory.
std::vector<Plans::Choice> Plans::rank(const ConvCall& call, const Memory& memory) {
  std::vector<Choice> all = candidates(call);
  if (all.empty()) return {};
  const StandIns on(call, memory, stream_, rules_.deterministic);
  if (!on.complete()) return all;
  const auto needs = [&](const Choice& c) { return workspace_bytes(c->plan, c->through_scratch, call); };
  // One for all: the largest that there is memory for.
  std::vector<std::size_t> sizes(all.size());
  std::transform(all.begin(), all.end(), sizes.begin(), needs);
  std::sort(sizes.rbegin(), sizes.rend());
  std::optional<Scratch> workspace;
  for (std::size_t i = 0; i < sizes.size() && !workspace; ++i) workspace = scratch_if_any(memory, sizes[i]);
  const std::string who = text("workspace of a convolution of x ", call.x, " with w ", call.w);
  if (!workspace) workspace.emplace(memory, sizes.back(), who.c_str());  // throws, saying what for
  const bool one_is_enough = rules_.deterministic && !may_err(cudnn().version(), call, rules_.tf32);
  std::vector<std::pair<float, std::size_t>> order;
  float best = kNever;
  for (std::size_t i = 0; i < all.size() && !(one_is_enough && !order.empty()); ++i) {
    if (needs(all[i]) > workspace->bytes()) {
      if (!rules_.deterministic) continue;
      workspace.emplace(memory, needs(all[i]), who.c_str());  // throws where there still is none
    }
    const float took = milliseconds(*all[i], on.call(), workspace->data(), best);
    if (took == kNever) continue;
    best = std::min(best, took);
    order.emplace_back(rules_.deterministic ? 0.0f : took, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<Choice> ranked;
  ranked.reserve(order.size());
  for (const auto& [took, i] : order) ranked.push_back(std::move(all[i]));
  return ranked;
}

// Of one run, on average; kNever where it does not run. A candidate far slower than `best` is run but once.
float Plans::milliseconds(const Candidate& candidate, const ConvCall& call, void* workspace, float best) {
  Event begin, end;
  const auto timed = [&](int runs) {
    begin.record(stream_);
    for (int run = 0; run < runs; ++run) {
      if (queue(candidate, call, workspace) != CUDNN_STATUS_SUCCESS) return kNever;
    }
    end.record(stream_);
    return end.milliseconds_since(begin) / static_cast<float>(runs);
  };
  if (timed(1) == kNever) return kNever;  // loads the kernels
  const float once = timed(1);
  if (once > kHopeless * best || once == kNever) return once;
  return timed(kTimedRuns);
}

// Scratch first, the library's workspace behind it.
cudnnStatus_t Plans::queue(const Candidate& candidate, const ConvCall& call, void* workspace) {
  if (!candidate.through_scratch) {
    return execute(handle_, candidate.plan, operands_of(call), workspace);
  }
  ConvCall written = writing(call);
  written.result = workspace;
  char* behind = static_cast<char*>(workspace) + result_bytes(call);
  const cudnnStatus_t status = execute(handle_, candidate.plan, operands_of(written), behind);
  if (status == CUDNN_STATUS_SUCCESS) {
    blas_.add(result_shape(call).elements(), workspace, call.result, result_type(call));
  }
  return status;
}

}  // namespace duet::cuda
