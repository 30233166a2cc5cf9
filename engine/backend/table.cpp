#include "engine/backend/table.h"

#include <algorithm>

#include "engine/backend/ref/ref.h"
#ifdef DUET_WITH_CUDA
#include "engine/backend/cuda/cuda.h"
#endif
#ifdef DUET_WITH_ONEDNN
#include "engine/backend/onednn/onednn.h"
#endif

namespace duet {

namespace {

std::vector<std::string> cpu_names() {
#ifdef DUET_WITH_ONEDNN
  return {"onednn", "ref"};
#else
  return {"ref"};
#endif
}

}  // namespace

std::vector<std::string> backend_names() {
  std::vector<std::string> names = cpu_names();
  if (cuda_absence().empty()) names.push_back("cuda");
  return names;
}

std::unique_ptr<Backend> make_backend(const std::string& name) {
  if (name == "ref") return make_ref_backend();
#ifdef DUET_WITH_ONEDNN
  if (name == "onednn") return make_onednn_backend();
#endif
  if (name == "cuda") return make_cuda(0);
  std::string known;
  for (const std::string& each : backend_names()) known += " " + each;
  throw Error(ExitCode::device, text("backend '", name, "' is not in this build; it has:", known));
}

std::unique_ptr<Backend> make_default_backend() { return make_backend(cpu_names().front()); }

#ifdef DUET_WITH_CUDA
namespace {

// Left to the libraries, for their kernels; their workspaces come out of the limit.
std::size_t memory_limit(int device) {
  constexpr std::size_t kReserve = std::size_t{1} << 30;
  const std::size_t available = cuda::free_memory(device);
  return available - std::min(available / 8, kReserve);
}

}  // namespace

std::unique_ptr<Backend> make_cuda(int device, const cuda::DeviceOptions& options) {
  auto backend = cuda::make_backend(cuda::make_device_driver(device, options));
  backend->memory->set_limit(memory_limit(device));
  return backend;
}
bool built_with_cuda() { return true; }
std::string cuda_absence() {
  std::string why;
  return cuda::device_count(&why) > 0 ? cuda::libraries_absence() : why;
}
#else
std::unique_ptr<Backend> make_cuda(int, const cuda::DeviceOptions&) {
  throw Error(ExitCode::device, "cuda: " + cuda_absence());
}
bool built_with_cuda() { return false; }
std::string cuda_absence() { return "this build has no CUDA backend"; }
#endif

std::optional<AloneTime> convolution_alone([[maybe_unused]] const AloneRequest& request) {
#ifdef DUET_WITH_ONEDNN
  return onednn_convolution_alone(request);
#else
  return std::nullopt;
#endif
}

std::vector<std::string> vendor_versions() {
  std::vector<std::string> lines;
#ifdef DUET_WITH_ONEDNN
  lines.push_back(onednn_version());
#endif
#ifdef DUET_WITH_CUDA
  for (const std::string& line : cuda::library_versions()) lines.push_back(line);
#endif
  return lines;
}

}  // namespace duet
