// In place of the room's own kernel.h: the kernel itself runs on the host, its blocks by block.h.
#pragma once

#include <utility>

#include "engine/backend/cuda/driver.h"
#include "tests/engine/cuda/blocks/block.h"

namespace duet::cuda {

// The kernel and its launch come before its arguments.
template <class... A>
void run_blocks(Arguments arguments) {
  const auto kernel =
      reinterpret_cast<void (*)(A...)>(const_cast<void*>(argument<const void*>(arguments[0])));
  const auto call = [&]<std::size_t... I>(std::index_sequence<I...>) {
    kernel(argument<A>(arguments[I + 2])...);
  };
  blocks::run(argument<Launch>(arguments[1]), [&] { call(std::index_sequence_for<A...>()); });
}

template <class... A>
void launch_kernel(Driver& driver, const Launch& launch, const void* device, HostKernel,
                   const A&... arguments) {
  const Argument list[] = {{&device, sizeof(device)}, {&launch, sizeof(launch)}, {&arguments, sizeof(A)}...};
  driver.launch(launch, reinterpret_cast<const void*>(&run_blocks<A...>), list);
}

}  // namespace duet::cuda
