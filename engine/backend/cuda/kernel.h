// Queueing a kernel with its arguments. (tests/engine/cuda/blocks has this file once more: there the kernel
// itself runs on the host, thread by thread.)
#pragma once

#include <type_traits>

#include "engine/backend/cuda/driver.h"

namespace duet::cuda {

// Queues a kernel: `device` (a __global__ function of exactly these arguments, nullptr where there is no
// nvcc), or `host` in its place.
template <class... A>
void launch_kernel(Driver& driver, const Launch& launch, const void* device, HostKernel host,
                   const A&... arguments) {
  static_assert(((std::is_trivially_copyable_v<A> && alignof(A) <= 16) && ...),
                "arguments are kept as bytes");
  const Argument list[] = {{&arguments, sizeof(A)}...};
  driver.launch(launch, driver.on_host() ? reinterpret_cast<const void*>(host) : device, list);
}

}  // namespace duet::cuda
