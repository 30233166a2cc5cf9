#include "engine/backend/cuda/device.h"

#include <mutex>

#include "engine/backend/cuda/gemm.h"
#include "engine/backend/cuda/plans.h"
#include "engine/backend/cuda/recording.h"
#include "engine/backend/cuda/replay.h"

namespace duet::cuda {
namespace {

// "13.0" of 13000.
std::string runtime_version(int number) { return text(number / 1000, '.', number % 1000 / 10); }

std::string absence(cudaError_t status) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) return "no NVIDIA driver is installed";
  if (status == cudaErrorInsufficientDriver) {
    return text("the NVIDIA driver knows CUDA ", runtime_version(driver), "; this build needs ",
                runtime_version(CUDART_VERSION));
  }
  if (status == cudaSuccess || status == cudaErrorNoDevice) return "the NVIDIA driver finds no GPU";
  return cudaGetErrorString(status);
}

std::size_t most_shared_bytes(int device) {
  int bytes = 0;
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
        "cudaDeviceGetAttribute");
  return static_cast<std::size_t>(bytes);
}

// Makes the device the calling thread's, as each thread begins on the first one.
int use(int device) {
  check(cudaSetDevice(device), "cudaSetDevice");
  return device;
}

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// A place in a stream that another one can wait for; with cudaEventDefault a time, too.
class Event {
 public:
  explicit Event(unsigned flags = cudaEventDisableTiming) {
    check(cudaEventCreateWithFlags(&event_, flags), "cudaEventCreate");
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(cudaStream_t stream) { check(cudaEventRecord(event_, stream), "cudaEventRecord"); }
  // What is queued on `stream` from now on comes after the place recorded last, if any.
  void hold(cudaStream_t stream) const {
    check(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent");
  }
  // From `before`, on the device, once this place is reached.
  double seconds_since(const Event& before) const {
    check(cudaEventSynchronize(event_), "cudaEventSynchronize");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, before.event_, event_), "cudaEventElapsedTime");
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  cudaEvent_t event_ = nullptr;
};

class Dnn {
 public:
  explicit Dnn(cudaStream_t stream) {
    check(cudnn().create(&handle_), "cudnnCreate");
    check(cudnn().set_stream(handle_, stream), "cudnnSetStream");
  }
  ~Dnn() { cudnn().destroy(handle_); }
  Dnn(const Dnn&) = delete;
  Dnn& operator=(const Dnn&) = delete;
  cudnnHandle_t get() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

class DeviceDriver final : public Driver {
 public:
  DeviceDriver(int device, const DeviceOptions& options)
      : device_(use(device)),
        shared_bytes_(most_shared_bytes(device)),
        dnn_(stream_.get()),
        blas_(stream_.get(), options.tf32),
        plans_(dnn_.get(), stream_.get(), blas_, {options.tf32, options.deterministic},
               PlanFile(options.plan_cache, text(cudnn_version(), " on ", device_name(device)))) {}
  ~DeviceDriver() override {
    cudaSetDevice(device_);
    cudaStreamSynchronize(input_.get());
    cudaStreamSynchronize(stream_.get());
  }

  void* allocate(std::size_t bytes) override {
    use(device_);
    void* pointer = nullptr;
    return is_there(cudaMalloc(&pointer, bytes), "cudaMalloc") ? pointer : nullptr;
  }
  // After what is queued. Never throws, as destructors call it: errors of the work queued show in the next
  // call that waits.
  void release(void* pointer) override {
    if (!pointer) return;
    cudaSetDevice(device_);
    cudaStreamSynchronize(stream_.get());
    cudaFree(pointer);
  }

  // From pageable memory the runtime takes its copy before it returns, so `from` may change at once. Host
  // memory of ours is pageable.
  void upload(void* to, const void* from, std::size_t bytes) override {
    copy(to, from, bytes, cudaMemcpyHostToDevice, "upload");
  }
  void download(void* to, const void* from, std::size_t bytes) override {
    copy(to, from, bytes, cudaMemcpyDeviceToHost, "download");
    synchronize();
  }
  // A block that is uploaded to may still be read by work that was queued before it was released.
  void upload_beside(void* to, const void* from, std::size_t bytes) override {
    use(device_);
    given_.record(stream_.get());
    given_.hold(input_.get());
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, input_.get()), "upload");
    uploaded_.record(input_.get());
  }
  void await_uploads() override {
    use(device_);
    uploaded_.hold(stream_.get());
  }
  void* allocate_staging(std::size_t bytes) override {
    use(device_);
    void* pointer = nullptr;
    return is_there(cudaMallocHost(&pointer, bytes), "cudaMallocHost") ? pointer : nullptr;
  }
  // Never throws, as release() above. After what still reads it, on either stream.
  void release_staging(void* pointer) override {
    if (!pointer) return;
    cudaSetDevice(device_);
    cudaStreamSynchronize(input_.get());
    cudaStreamSynchronize(stream_.get());
    cudaFreeHost(pointer);
  }
  void set_bytes(void* to, int value, std::size_t bytes) override {
    use(device_);
    check(cudaMemsetAsync(to, value, bytes, stream_.get()), "cudaMemsetAsync");
  }
  // Errors of kernels show here.
  void synchronize() override {
    use(device_);
    check(cudaStreamSynchronize(stream_.get()), "waiting for the GPU");
  }
  Mark mark() override {
    use(device_);
    auto event = std::make_shared<Event>(cudaEventDefault);
    event->record(stream_.get());
    return event;
  }
  double seconds(const Mark& from, const Mark& to) override {
    use(device_);
    return static_cast<const Event*>(to.get())->seconds_since(*static_cast<const Event*>(from.get()));
  }

  bool on_host() const override { return false; }
  std::size_t shared_bytes() const override { return shared_bytes_; }

  void launch(const Launch& launch, const void* kernel, Arguments arguments) override {
    use(device_);
    const KernelCall call(launch, kernel, arguments);
    const Geometry& g = launch.geometry;
    const cudaError_t status = cudaLaunchKernel(kernel, dim3(g.x, g.y, g.z), dim3(g.threads),
                                                call.arguments(), g.shared, stream_.get());
    if (status == cudaSuccess) return;
    cudaGetLastError();
    throw Error(ExitCode::device,
                text("CUDA: kernel ", launch.name, " (", g.x, ',', g.y, ',', g.z, " blocks of ", g.threads,
                     " threads, ", g.shared, " bytes shared): ", cudaGetErrorString(status)));
  }

  std::size_t workspace(const GemmCall& call) const override { return workspace_bytes(call); }
  void gemm(const GemmCall& call, void* workspace) override {
    use(device_);
    blas_.gemm(call, workspace);
  }
  bool is_chosen(const ConvCall& call) const override { return plans_.is_chosen(call); }
  ConvChoice choose(const ConvCall& call, const Memory& memory) override {
    use(device_);
    return plans_.choose(call, memory);
  }
  void convolve(const ConvCall& call, const ConvChoice& choice, void* workspace) override {
    use(device_);
    plans_.run(call, choice, workspace);
  }
  std::string convolution_name(const ConvCall& call, const Memory& memory) override {
    use(device_);
    return plans_.name(call, memory);
  }
  bool is_doubtful(const ConvCall& call, const Memory& memory) override {
    use(device_);
    return plans_.is_doubtful(call, memory);
  }
  bool deterministic() const override { return plans_.rules().deterministic; }
  void judge(const ConvCall& call, bool right) override { plans_.judge(call, right); }
  PlanCounters plan_counters() const override { return plans_.counters(); }

  std::unique_ptr<Recording> record(const std::vector<Work>& works) override {
    use(device_);
    return record_graph(stream_.get(), works, *this);
  }

 private:
  // Whether memory that was asked for is there; any other failure throws.
  static bool is_there(cudaError_t status, const char* what) {
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // else the next launch would report it
      return false;
    }
    check(status, what);
    return true;
  }
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, const char* what) {
    use(device_);
    check(cudaMemcpyAsync(to, from, bytes, kind, stream_.get()), what);
  }

  // In this order: what is made later works with what was made before, and goes first.
  int device_;
  std::size_t shared_bytes_;
  Stream stream_, input_;
  Event given_, uploaded_;
  Dnn dnn_;
  Blas blas_;
  Plans plans_;
};

// Drivers in use.
struct Known {
  int device;
  DeviceOptions options;
  std::weak_ptr<Driver> driver;
};

}  // namespace

int device_count(std::string* why) noexcept {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count <= 0) {
    cudaGetLastError();
    count = 0;
  }
  if (why) *why = count == 0 ? absence(status) : std::string();
  return count;
}

std::string device_name(int device) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) {
    cudaGetLastError();
    return {};
  }
  return properties.name;
}

std::size_t free_memory(int device) {
  std::size_t available = 0, all = 0;
  if (cudaSetDevice(device) != cudaSuccess || cudaMemGetInfo(&available, &all) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  return available;
}

std::vector<std::string> library_versions() {
  return {"CUDA " + runtime_version(CUDART_VERSION), cublas_version(), cudnn_version()};
}

std::shared_ptr<Driver> make_device_driver(int device, const DeviceOptions& options) {
  std::string why;
  const int count = device_count(&why);
  if (count == 0) throw Error(ExitCode::device, "cuda: " + why);
  if (device < 0 || device >= count) {
    throw Error(ExitCode::device,
                text("cuda:", device, ": there is no such GPU; this machine has cuda:0 to cuda:", count - 1));
  }
  static std::mutex mutex;
  static std::vector<Known> known;
  const std::lock_guard lock(mutex);
  std::erase_if(known, [](const Known& k) { return k.driver.expired(); });
  for (const Known& k : known) {
    if (k.device != device || k.options != options) continue;
    if (auto driver = k.driver.lock()) return driver;
  }
  std::shared_ptr<Driver> driver = std::make_shared<DeviceDriver>(device, options);
  if (options.graphs) driver = std::make_shared<Replay>(std::move(driver));
  known.push_back({device, options, driver});
  return driver;
}

}  // namespace duet::cuda
