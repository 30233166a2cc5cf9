#include "tests/engine/cuda/host_driver.h"

#include <cstdlib>
#include <cstring>

#include "engine/backend/cuda/calls.h"
#include "engine/backend/cuda/cuda.h"
#include "engine/backend/ref/ref.h"

namespace duet::testing {
namespace {

ConstView view_of(const void* data, const Shape& shape, DType type) { return {data, shape, type, 0}; }

template <class In, class Out>
void multiply(const cuda::GemmCall& g) {
  const auto* a = static_cast<const In*>(g.a);
  const auto* b = static_cast<const In*>(g.b);
  auto* c = static_cast<Out*>(g.c);
  for (Index i = 0; i < g.m; ++i) {
    for (Index j = 0; j < g.n; ++j) {
      double sum = 0;
      for (Index k = 0; k < g.k; ++k) {
        const auto left = static_cast<double>(a[g.transpose_a ? k * g.m + i : i * g.k + k]);
        const auto right = static_cast<double>(b[g.transpose_b ? j * g.k + k : k * g.n + j]);
        sum += left * right;
      }
      Out& to = c[i * g.n + j];
      // Not read where beta is 0, as it may be NaN.
      if (g.beta != 0) sum += g.beta * static_cast<double>(to);
      to = Out(static_cast<Compute<Out>>(sum));
    }
  }
}

template <class In>
void multiply_into(const cuda::GemmCall& g) {
  switch (g.output) {
    case DType::f32:
      return multiply<In, float>(g);
    case DType::f64:
      return multiply<In, double>(g);
    case DType::bf16:
      return multiply<In, bf16>(g);
    default:
      throw EngineError("gemm: output of no such type");
  }
}

std::string key_of(const cuda::ConvCall& c) {
  return text(static_cast<int>(c.pass), c.x, c.w, c.y, name_of(c.activations), name_of(c.weights),
              c.accum == Accum::add, cuda::alignment_of(c.first), cuda::alignment_of(c.second),
              cuda::alignment_of(c.result));
}

// One value of the result becomes another one.
void spoil(const cuda::ConvCall& c) {
  const Index last = cuda::result_shape(c).elements() - 1;
  if (cuda::result_type(c) == DType::bf16) {
    static_cast<bf16*>(c.result)[last] = bf16(1000.0f);
  } else {
    static_cast<float*>(c.result)[last] = 1000.0f;
  }
}

// Does what it was told to do when it was made, or since: as a graph that somebody forgot to change.
class HostRecording final : public cuda::Recording {
 public:
  HostRecording(HostDriver& driver, const std::vector<cuda::Work>& works) : driver_(driver), works_(works) {}
  void exchange(std::size_t i, const cuda::Work& work) override {
    DUET_CHECK(cuda::are_exchangeable(works_[i], work) && !std::holds_alternative<cuda::GemmWork>(work.of) &&
                   !std::holds_alternative<cuda::ConvWork>(work.of),
               "recording: work ", i, " cannot be exchanged");
    if (!driver_.takes_exchanges) throw Error(ExitCode::device, "recording: not exchanged");
    works_[i] = work;
  }
  void run() override {
    if (!driver_.runs_recordings) throw Error(ExitCode::device, "recording: not run");
    for (const cuda::Work& work : works_) cuda::queue(driver_, work);
  }

 private:
  HostDriver& driver_;
  std::vector<cuda::Work> works_;
};

}  // namespace

HostDriver::HostDriver() : reference_(make_ref_backend()) {}
HostDriver::~HostDriver() = default;

void* HostDriver::allocate(std::size_t bytes) { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
void HostDriver::release(void* pointer) {
  settle();
  std::free(pointer);
}

void HostDriver::upload(void* to, const void* from, std::size_t bytes) {
  ++calls.uploads;
  const auto block = staging_.upper_bound(static_cast<const char*>(from));
  const auto late = block == staging_.begin() ? staging_.end() : std::prev(block);
  if (late != staging_.end() && static_cast<const char*>(from) < late->first + late->second) {
    std::memset(to, 0xFF, bytes);
    late_.push_back({to, from, bytes});
  } else {
    std::memcpy(to, from, bytes);
  }
}
void HostDriver::download(void* to, const void* from, std::size_t bytes) {
  ++calls.downloads;
  settle();
  std::memcpy(to, from, bytes);
}
void HostDriver::upload_beside(void* to, const void* from, std::size_t bytes) {
  ++calls.uploads_beside;
  std::memset(to, 0xFF, bytes);
  beside_.push_back({to, from, bytes});
}
void HostDriver::await_uploads() {
  for (const Upload& each : beside_) std::memcpy(each.to, each.from, each.bytes);
  beside_.clear();
}
void HostDriver::settle() {
  for (const Upload& each : late_) std::memcpy(each.to, each.from, each.bytes);
  late_.clear();
}
void* HostDriver::allocate_staging(std::size_t bytes) {
  void* block = allocate(bytes);
  staging_[static_cast<const char*>(block)] = bytes;
  return block;
}
void HostDriver::release_staging(void* pointer) {
  staging_.erase(static_cast<const char*>(pointer));
  release(pointer);
}
void HostDriver::set_bytes(void* to, int value, std::size_t bytes) {
  settle();
  std::memset(to, value, bytes);
}

void HostDriver::launch(const cuda::Launch& launch, const void* kernel, cuda::Arguments arguments) {
  settle();
  calls.launches.push_back(launch);
  reinterpret_cast<cuda::HostKernel>(const_cast<void*>(kernel))(arguments);
}

void HostDriver::gemm(const cuda::GemmCall& call, void* workspace) {
  if (library_workspace > 0) std::memset(workspace, 0xFF, library_workspace);
  settle();
  calls.gemms.push_back(call);
  switch (call.inputs) {
    case DType::f32:
      return multiply_into<float>(call);
    case DType::f64:
      return multiply_into<double>(call);
    case DType::bf16:
      return multiply_into<bf16>(call);
    default:
      throw EngineError("gemm: inputs of no such type");
  }
}

bool HostDriver::is_chosen(const cuda::ConvCall& c) const { return known_.contains(key_of(c)); }

cuda::ConvChoice HostDriver::choose(const cuda::ConvCall& c, const cuda::Memory&) {
  if (!takes_convolutions) return {};
  const std::uint64_t misses = plans_.misses;
  Standing& standing = standing_of(c);
  plans_.hits += plans_.misses == misses;
  if (standing.plan >= plans_right.size()) return {};
  if (!standing.chosen || *standing.chosen != standing.plan) {
    standing.chosen = std::make_shared<std::size_t>(standing.plan);
  }
  return {standing.chosen, library_workspace};
}

void HostDriver::convolve(const cuda::ConvCall& c, const cuda::ConvChoice& choice, void* workspace) {
  if (library_workspace > 0) std::memset(workspace, 0xFF, library_workspace);
  settle();
  calls.convolutions.push_back(c);
  compute(c);
  if (!plans_right[*static_cast<const std::size_t*>(choice.plan.get())]) spoil(c);
}

std::string HostDriver::convolution_name(const cuda::ConvCall& c, const cuda::Memory&) {
  const auto at = known_.find(key_of(c));
  return at != known_.end() && at->second.plan >= plans_right.size() ? "" : "host";
}

bool HostDriver::is_doubtful(const cuda::ConvCall& c, const cuda::Memory&) {
  return takes_convolutions && cuda::may_err(version, c, tf32) && !standing_of(c).judged;
}

HostDriver::Standing& HostDriver::standing_of(const cuda::ConvCall& c) {
  const auto [at, is_new] = known_.try_emplace(key_of(c));
  plans_.misses += is_new;
  return at->second;
}

void HostDriver::judge(const cuda::ConvCall& c, bool right) {
  Standing& standing = standing_of(c);
  standing.plan += !right;
  standing.judged = right || standing.plan >= plans_right.size();
}

// The reference takes weights of the master type: bf16 ones are widened, and so is a gradient that is to be
// bf16.
void HostDriver::compute(const cuda::ConvCall& c) {
  ConvolutionKernels& reference = *reference_->convolution;
  const DType master = master_type(c.activations);
  const bool narrow = c.weights != master;
  const Tensor wide = narrow ? reference_->empty(c.w, master) : Tensor();
  const View activations{c.result, c.pass == ConvPass::forward ? c.y : c.x, c.activations};
  if (c.pass == ConvPass::weights) {
    const View stored{c.result, c.w, c.weights};
    const View dw = narrow ? wide.view() : stored;
    if (narrow && c.accum == Accum::add) reference_->pointwise->convert(stored, dw);
    reference.conv3d_backward_weights(c.spec, view_of(c.first, c.x, c.activations),
                                      view_of(c.second, c.y, c.activations), dw, c.accum);
    if (narrow) reference_->pointwise->convert(dw, stored);
    return;
  }
  ConstView w = view_of(c.second, c.w, c.weights);
  if (narrow) {
    reference_->pointwise->convert(w, wide.view());
    w = wide.cview();
  }
  if (c.pass == ConvPass::forward) {
    const Tensor made = reference_->empty(c.y, c.activations);
    reference.conv3d_forward(c.spec, view_of(c.first, c.x, c.activations), w, {}, made.view());
    reference_->pointwise->scale(made.cview(), 1.0, activations, c.accum);
  } else {
    reference.conv3d_backward_data(c.spec, view_of(c.first, c.y, c.activations), w, activations, c.accum);
  }
}

std::unique_ptr<cuda::Recording> HostDriver::record(const std::vector<cuda::Work>& works) {
  if (!records) return nullptr;
  return std::make_unique<HostRecording>(*this, works);
}

std::unique_ptr<Backend> make_host_cuda(HostDriver** driver) {
  auto made = std::make_shared<HostDriver>();
  if (driver) *driver = made.get();
  return cuda::make_backend(made);
}

}  // namespace duet::testing
