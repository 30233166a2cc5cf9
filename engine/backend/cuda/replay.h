// A Driver before another one: what is queued is held back, some dozens of works at a time, and a row of
// works that was seen before is queued in one piece (a CUDA graph), as a step of a training repeats the one
// before but for a few arguments (Philox step, lambda, rate, corners of boxes): these are exchanged in the
// recording. Made by device.cpp.
//
// The code above runs as ever and nothing in it knows, so any method, network and shape may be replayed, and
// results are the same bits. One struct on the device with all that changes from step to step would spare the
// CPU that code, too (1.2 ms a step), but every kernel and method would have to know of it, boxes of mixed
// patches change the grids of launches, and losses are read between. Tensors must lie where they lay: the
// allocator hands out the lowest of equal blocks.
#pragma once

#include <deque>
#include <exception>
#include <unordered_map>

#include "engine/backend/cuda/work.h"

namespace duet::cuda {

struct ReplayCounters {
  std::size_t alone = 0;       // works queued one by one
  std::size_t replayed = 0;    // works queued within a recording
  std::size_t exchanged = 0;   // of these, with other arguments than the time before
  std::size_t recordings = 0;  // made
  std::size_t runs = 0;        // of recordings
};

class Replay final : public Driver {
 public:
  // Works of a row: a shorter one is worth no recording, a longer one would leave the device waiting.
  static constexpr std::size_t kLeast = 8, kMost = 64;

  explicit Replay(std::shared_ptr<Driver> device);
  ~Replay() override;

  ReplayCounters counters() const { return counters_; }

  void* allocate(std::size_t bytes) override { return device_->allocate(bytes); }
  void release(void* pointer) override;
  void upload(void* to, const void* from, std::size_t bytes) override;
  void download(void* to, const void* from, std::size_t bytes) override;
  void upload_beside(void* to, const void* from, std::size_t bytes) override;
  void await_uploads() override;
  void* allocate_staging(std::size_t bytes) override { return device_->allocate_staging(bytes); }
  void release_staging(void* pointer) override;
  void set_bytes(void* to, int value, std::size_t bytes) override;
  void synchronize() override;
  Mark mark() override;
  double seconds(const Mark& from, const Mark& to) override { return device_->seconds(from, to); }

  bool on_host() const override { return device_->on_host(); }
  std::size_t shared_bytes() const override { return device_->shared_bytes(); }
  void launch(const Launch&, const void* kernel, Arguments) override;
  std::size_t workspace(const GemmCall& call) const override { return device_->workspace(call); }
  void gemm(const GemmCall&, void* workspace) override;
  bool is_chosen(const ConvCall& call) const override { return device_->is_chosen(call); }
  ConvChoice choose(const ConvCall&, const Memory&) override;
  void convolve(const ConvCall&, const ConvChoice&, void* workspace) override;
  std::string convolution_name(const ConvCall&, const Memory&) override;
  bool is_doubtful(const ConvCall&, const Memory&) override;
  bool deterministic() const override { return device_->deterministic(); }
  void judge(const ConvCall& call, bool right) override { device_->judge(call, right); }
  PlanCounters plan_counters() const override { return device_->plan_counters(); }
  std::unique_ptr<Recording> record(const std::vector<Work>& works) override {
    return device_->record(works);
  }

 private:
  using Row = std::vector<Work>;
  struct Kept {
    Row works;  // as they stand in the recording
    std::unique_ptr<Recording> recording;
  };

  // Recordings of rows of one kind, the last used first: they differ in arguments only. None: such a row was
  // seen once, or is not to be recorded.
  struct Kind {
    std::vector<Kept> alike;
    bool refused = false;
  };

  void add(Work work);
  // Queues what was held back. Throws what the device throws, and what release() could not.
  void flush();
  void flush_quietly() noexcept;
  void queue_held();
  void queue_row(const Row& row);
  void queue_alone(const Row& row);
  bool bring_forward(std::vector<Kept>& alike, const Row& row);
  bool keep(Kind& kind, const Row& row);
  bool run(Kind& kind);
  void refuse(Kind& kind);
  void drop(std::vector<Kept>& alike, std::size_t i);
  bool pays() const;
  void forget();

  std::shared_ptr<Driver> device_;
  Row held_;
  std::unordered_map<std::uint64_t, Kind> known_;
  std::size_t kept_ = 0;
  std::size_t failures_ = 0;   // to record or to launch
  std::exception_ptr untold_;  // what release() met, for the next call that may throw
  ReplayCounters counters_;
};

}  // namespace duet::cuda
