#include "engine/backend/cuda/recording.h"

#include <cstdio>
#include <exception>
#include <utility>

#include "engine/backend/cuda/status.h"

namespace duet::cuda {
namespace {

constexpr std::size_t kPlainShared = std::size_t{48} << 10;  // bytes a block may have without asking

class Graph {
 public:
  Graph() { check(cudaGraphCreate(&graph_, 0), "cudaGraphCreate"); }
  explicit Graph(cudaGraph_t graph) : graph_(graph) {}
  ~Graph() {
    if (graph_) cudaGraphDestroy(graph_);
  }
  Graph(Graph&& other) noexcept : graph_(std::exchange(other.graph_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(graph_, other.graph_);
    return *this;
  }
  cudaGraph_t get() const { return graph_; }

 private:
  cudaGraph_t graph_ = nullptr;
};

class Executable {
 public:
  Executable() = default;
  ~Executable() {
    if (executable_) cudaGraphExecDestroy(executable_);
  }
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;
  cudaGraphExec_t get() const { return executable_; }
  cudaGraphExec_t* put() { return &executable_; }

 private:
  cudaGraphExec_t executable_ = nullptr;
};

cudaKernelNodeParams parameters_of(const KernelWork& work, const KernelCall& call) {
  const Geometry& g = work.launch.geometry;
  cudaKernelNodeParams p{};
  p.func = const_cast<void*>(work.kernel);
  p.gridDim = dim3(g.x, g.y, g.z);
  p.blockDim = dim3(g.threads);
  p.sharedMemBytes = static_cast<unsigned>(g.shared);
  p.kernelParams = call.arguments();
  return p;
}

cudaMemsetParams parameters_of(const FillWork& work) {
  cudaMemsetParams p{};
  p.dst = work.to;
  p.value = static_cast<unsigned>(work.value) & 0xFFu;
  p.elementSize = 1;
  p.width = work.bytes;
  p.height = 1;
  p.pitch = work.bytes;
  return p;
}

// As check(), with the runtime's last error cleared, as the works are queued one by one then.
void must(cudaError_t status, const char* what) {
  if (status != cudaSuccess) cudaGetLastError();
  check(status, what);
}

// What `driver` queues on the stream for a call of a library. Relaxed: what else the library does meanwhile
// is no part of it.
Graph captured(cudaStream_t stream, const Work& work, Driver& driver) {
  must(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
  std::exception_ptr failure;
  try {
    queue(driver, work);
  } catch (...) {  // the capture must end all the same
    failure = std::current_exception();
  }
  cudaGraph_t graph = nullptr;
  const cudaError_t status = cudaStreamEndCapture(stream, &graph);
  Graph owner(graph);
  if (failure) {
    cudaGetLastError();
    std::rethrow_exception(failure);
  }
  must(status, "cudaStreamEndCapture");
  return owner;
}

class GraphRecording final : public Recording {
 public:
  GraphRecording(cudaStream_t stream, const std::vector<Work>& works, Driver& driver) : stream_(stream) {
    must(cudaGetDevice(&device_), "cudaGetDevice");
    for (const Work& work : works) add(work, driver);
    must(cudaGraphInstantiate(executable_.put(), graph_.get(), 0), "cudaGraphInstantiate");
    // Here, where it may fail, as it takes memory of the device.
    must(cudaGraphUpload(executable_.get(), stream_), "cudaGraphUpload");
  }

  void exchange(std::size_t i, const Work& work) override {
    use_device();
    if (const auto* kernel = std::get_if<KernelWork>(&work.of)) {
      const std::vector<Argument> arguments = kernel->arguments();
      const KernelCall call(kernel->launch, kernel->kernel, arguments);
      const cudaKernelNodeParams p = parameters_of(*kernel, call);
      must(cudaGraphExecKernelNodeSetParams(executable_.get(), nodes_[i], &p), kernel->launch.name);
    } else {
      const cudaMemsetParams p = parameters_of(std::get<FillWork>(work.of));
      must(cudaGraphExecMemsetNodeSetParams(executable_.get(), nodes_[i], &p),
           "cudaGraphExecMemsetNodeSetParams");
    }
  }
  void run() override {
    use_device();
    must(cudaGraphLaunch(executable_.get(), stream_), "cudaGraphLaunch");
  }

 private:
  // Kernels are those of the thread's device.
  void use_device() const { must(cudaSetDevice(device_), "cudaSetDevice"); }

  // Each after the one before it, as on the stream.
  void add(const Work& work, Driver& driver) {
    const cudaGraphNode_t* before = nodes_.empty() ? nullptr : &nodes_.back();
    const std::size_t count = nodes_.empty() ? 0 : 1;
    cudaGraphNode_t node = nullptr;
    if (const auto* kernel = std::get_if<KernelWork>(&work.of)) {
      const std::vector<Argument> arguments = kernel->arguments();
      const KernelCall call(kernel->launch, kernel->kernel, arguments);
      const cudaKernelNodeParams p = parameters_of(*kernel, call);
      must(cudaGraphAddKernelNode(&node, graph_.get(), before, count, &p), kernel->launch.name);
    } else if (const auto* fill = std::get_if<FillWork>(&work.of)) {
      const cudaMemsetParams p = parameters_of(*fill);
      must(cudaGraphAddMemsetNode(&node, graph_.get(), before, count, &p), "cudaGraphAddMemsetNode");
    } else {
      const Graph part = captured(stream_, work, driver);
      must(cudaGraphAddChildGraphNode(&node, graph_.get(), before, count, part.get()),
           "cudaGraphAddChildGraphNode");
    }
    nodes_.push_back(node);
  }

  cudaStream_t stream_;
  int device_ = 0;
  Graph graph_;  // stays, as its nodes say which argument is meant
  std::vector<cudaGraphNode_t> nodes_;
  Executable executable_;
};

}  // namespace

KernelCall::KernelCall(const Launch& launch, const void* kernel, Arguments arguments) {
  DUET_CHECK(arguments.size() <= kMost, launch.name, ": ", arguments.size(), " arguments");
  for (std::size_t i = 0; i < arguments.size(); ++i) pointers_[i] = const_cast<void*>(arguments[i].data);
  const std::size_t shared = launch.geometry.shared;
  if (shared > kPlainShared) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
          launch.name);
  }
}

std::unique_ptr<Recording> record_graph(cudaStream_t stream, const std::vector<Work>& works, Driver& driver) {
  try {
    return std::make_unique<GraphRecording>(stream, works, driver);
  } catch (const Error& error) {
    std::fprintf(stderr, "CUDA graphs: %s; these kernels are launched one by one\n", error.what());
    return nullptr;
  }
}

}  // namespace duet::cuda
