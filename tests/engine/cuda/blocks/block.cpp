#include "tests/engine/cuda/blocks/block.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <setjmp.h>
#include <string_view>
#include <ucontext.h>
#include <vector>

#include "engine/core/errors.h"
#include "engine/core/parallel.h"
#include "tests/engine/cuda/blocks/warp.h"

namespace duet::blocks {
namespace {

constexpr std::size_t kStackBytes = std::size_t{128} << 10;
constexpr std::size_t kGuardBytes = 256;    // behind the shared memory, and never written
constexpr unsigned char kUnwritten = 0xFF;  // NaN in every type

Order first_order() {
  const char* named = std::getenv("DUET_BLOCK_ORDER");
  return named && std::string_view(named) == "backwards" ? Order::backwards : Order::forwards;
}
std::atomic<Order> order_of_launches = first_order();

enum class State { fresh, ready, waits_for_block, waits_for_warp, done };

// A stack that threads run on, one after another; it stays with a thread that waits. Made by a context, left
// and entered by jumps, which unlike contexts ask nothing of the kernel.
struct Stack {
  std::unique_ptr<char[]> bytes{new char[kStackBytes]};  // not touched before it is used
  jmp_buf place{};
  bool begun = false;
};

struct Thread {
  State state = State::fresh;
  Stack* stack = nullptr;      // of one that waits or waited
  const Step* step = nullptr;  // waits_for_warp
};

// The block that a thread of the host runs.
class Block {
 public:
  void run(const cuda::Launch& launch, Index number, const std::function<void()>& thread, Order order);
  void* memory() { return shared_.data(); }
  // Of the thread that runs: goes on when it is ready again.
  void leave(State state, const Step* step = nullptr) {
    Thread& self = threads_[current_];
    self.state = state;
    self.step = step;
    self.stack = stack_;
    to_scheduler();
  }

 private:
  static void enter();
  void to_scheduler() {
    if (_setjmp(stack_->place) == 0) _longjmp(scheduler_, 1);
  }
  void start(const cuda::Geometry&);
  void resume(std::size_t place);
  void gather_warp(std::size_t first);
  void run_warp(std::size_t first);
  bool take(std::size_t place);
  std::size_t count(State state) const {
    return static_cast<std::size_t>(std::count_if(threads_.begin(), threads_.end(),
                                                  [state](const Thread& t) { return t.state == state; }));
  }

  std::vector<Thread> threads_;
  std::vector<std::size_t> turn_;  // the order of threads
  std::size_t place_ = 0;          // in it, of the thread that runs
  std::size_t current_ = 0;        // the thread that runs
  Stack* stack_ = nullptr;         // that it runs on
  std::vector<std::unique_ptr<Stack>> stacks_;
  std::vector<Stack*> free_;
  jmp_buf scheduler_{};
  const std::function<void()>* thread_ = nullptr;
  struct alignas(16) Line {
    unsigned char bytes[16];
  };
  std::vector<Line> shared_;
  std::size_t shared_bytes_ = 0;  // of it, that the launch asked for
};

thread_local Block block;

// Makes the thread at a place in turn the one that runs, if it is fresh.
bool Block::take(std::size_t place) {
  if (place >= turn_.size() || threads_[turn_[place]].state != State::fresh) return false;
  place_ = place;
  current_ = turn_[place];
  threads_[current_].state = State::ready;
  threadIdx = {static_cast<unsigned>(current_), 0, 0};
  return true;
}

// One thread after the other as long as none waits: most kernels know no barrier, and need no other stack.
void Block::enter() {
  while (true) {
    do {
      (*block.thread_)();
      block.threads_[block.current_].state = State::done;
    } while (block.take(block.place_ + 1));
    block.free_.push_back(block.stack_);
    block.to_scheduler();
  }
}

void Block::start(const cuda::Geometry& g) {
  threads_.assign(g.threads, {});
  if (free_.size() < stacks_.size()) {  // a block that went no further has left threads on them
    stacks_.clear();
    free_.clear();
  }
  shared_.resize((g.shared + kGuardBytes + 15) / 16);
  auto* bytes = static_cast<unsigned char*>(memory());
  std::fill_n(bytes, g.shared + kGuardBytes, kUnwritten);
  shared_bytes_ = g.shared;
}

// Lets the thread at a place run until it waits or is done, and those after it with it that are fresh.
void Block::resume(std::size_t place) {
  if (take(place)) {
    if (free_.empty()) free_.push_back(stacks_.emplace_back(std::make_unique<Stack>()).get());
    stack_ = free_.back();
    free_.pop_back();
  } else {
    place_ = place;
    current_ = turn_[place];
    stack_ = threads_[current_].stack;
    threadIdx = {static_cast<unsigned>(current_), 0, 0};
  }
  if (_setjmp(scheduler_) == 0) {
    if (stack_->begun) _longjmp(stack_->place, 1);
    stack_->begun = true;
    ucontext_t context{};
    getcontext(&context);
    context.uc_stack.ss_sp = stack_->bytes.get();
    context.uc_stack.ss_size = kStackBytes;
    makecontext(&context, &Block::enter, 0);
    setcontext(&context);
  }
  if (threads_[current_].state == State::waits_for_warp) gather_warp(current_ / kLanes * kLanes);
}

// Carries a step out once all lanes from `first` on wait for it.
void Block::gather_warp(std::size_t first) {
  if (first + kLanes > threads_.size()) return;
  WarpSteps steps{};
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (threads_[first + lane].state != State::waits_for_warp) return;
    steps[lane] = threads_[first + lane].step;
    const auto* row = static_cast<const unsigned char*>(steps[lane]->row);
    const auto* begin = static_cast<const unsigned char*>(memory());
    DUET_CHECK(!row || (row >= begin && row + 16 <= begin + shared_bytes_), "ldmatrix: the row of lane ",
               lane, " is not in the block's shared memory");
  }
  carry_out(steps);
  for (std::size_t lane = 0; lane < kLanes; ++lane) threads_[first + lane].state = State::ready;
}

// Lets the warp at a place in turn run as far as it can: before another one begins, where none has to.
void Block::run_warp(std::size_t first) {
  const std::size_t end = std::min(first + kLanes, turn_.size());
  bool ran = true;
  while (ran) {
    ran = false;
    for (std::size_t place = first; place < end; ++place) {
      const State state = threads_[turn_[place]].state;
      if (state != State::ready && state != State::fresh) continue;
      resume(place);
      ran = true;
    }
  }
}

void Block::run(const cuda::Launch& launch, Index number, const std::function<void()>& thread, Order order) {
  const cuda::Geometry& g = launch.geometry;
  const auto all = static_cast<std::size_t>(g.threads);
  thread_ = &thread;
  blockIdx = {static_cast<unsigned>(number % g.x), static_cast<unsigned>(number / g.x % g.y),
              static_cast<unsigned>(number / g.x / g.y)};
  blockDim = {g.threads, 1, 1};
  gridDim = {g.x, g.y, g.z};
  start(g);
  turn_.resize(all);
  for (std::size_t i = 0; i < all; ++i) turn_[i] = order == Order::backwards ? all - 1 - i : i;
  while (count(State::done) < all) {
    while (count(State::ready) + count(State::fresh) > 0) {
      for (std::size_t warp = 0; warp < all; warp += kLanes) run_warp(warp);
    }
    const std::size_t waiting = count(State::waits_for_block), done = count(State::done);
    DUET_CHECK(waiting == all || done == all, launch.name, ": block (", blockIdx.x, ", ", blockIdx.y, ", ",
               blockIdx.z, ") goes no further: of ", all, " threads ", waiting, " wait for the block, ",
               count(State::waits_for_warp), " for their warp, ", done, " are done");
    for (std::size_t i = 0; i < all && waiting == all; ++i) threads_[i].state = State::ready;
  }
  const auto* guard = static_cast<const unsigned char*>(memory()) + g.shared;
  DUET_CHECK(std::all_of(guard, guard + kGuardBytes, [](unsigned char byte) { return byte == kUnwritten; }),
             launch.name, ": a block wrote beyond its ", g.shared, " bytes of shared memory");
}

}  // namespace

InOrder::InOrder(Order order) : before_(order_of_launches.exchange(order)) {}
InOrder::~InOrder() { order_of_launches = before_; }

void run(const cuda::Launch& launch, const std::function<void()>& thread) {
  const cuda::Geometry& g = launch.geometry;
  const Order order = order_of_launches;
  parallel_for(Index{g.x} * g.y * g.z, [&](Index number) { block.run(launch, number, thread, order); });
}

void* memory() { return block.memory(); }
void wait() { block.leave(State::waits_for_block); }
void together(const Step& step) { block.leave(State::waits_for_warp, &step); }

}  // namespace duet::blocks
