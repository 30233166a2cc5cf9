// Blocks of a kernel on the host, as a GPU runs them: every thread has a stack of its own and runs until it
// waits for its block or its warp. Finds what loops over functors cannot: a barrier that is missing (another
// order of the threads gives another result) or not reached by all, shared memory that is read before it is
// written (it is NaN) or written beyond its end, lanes of a warp that do not do the same.
#pragma once

#include <functional>

#include "engine/backend/cuda/driver.h"

namespace duet::blocks {

// Of a block's threads between two barriers. A write and a read of two threads without a barrier between them
// meet in one order in the first, in the other in the second.
enum class Order { forwards, backwards };
// Launches of its scope are in this order; else they are in what DUET_BLOCK_ORDER says, "forwards" (where it
// says nothing) or "backwards".
class InOrder {
 public:
  explicit InOrder(Order);
  ~InOrder();
  InOrder(const InOrder&) = delete;
  InOrder& operator=(const InOrder&) = delete;

 private:
  Order before_;
};

// Runs `thread` once for each thread of each block, with threadIdx and so on set. Throws EngineError, which
// names the kernel, where threads wait for each other in vain or shared memory was written beyond its end.
void run(const cuda::Launch&, const std::function<void()>& thread);

// What a thread may ask for while it runs.
void* memory();  // shared, Geometry::shared bytes, aligned to 16
void wait();     // until all threads of the block do

// What the 32 lanes of a warp do together: each gives its own part, and goes on when all have.
struct Step {
  enum class What { load, load_transposed, multiply } what;
  std::uint32_t* words = nullptr;  // load: the result
  const void* row = nullptr;       // load: 16 bytes of shared memory
  float* sums = nullptr;           // multiply: c += a b
  const std::uint32_t *a = nullptr, *b = nullptr;
};
void together(const Step&);

}  // namespace duet::blocks
