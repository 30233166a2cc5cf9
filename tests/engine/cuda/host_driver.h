// A Driver on the host: takes note of every launch and vendor call with its arguments, runs the room's
// functors in loops, and does the vendors' work by the reference backend. Memory is host memory, but the room
// does not know.
#pragma once

#include <map>
#include <vector>

#include "engine/backend/cuda/work.h"
#include "engine/kernels/backend.h"

namespace duet::testing {

struct Calls {
  std::vector<cuda::Launch> launches;
  std::vector<cuda::GemmCall> gemms;
  std::vector<cuda::ConvCall> convolutions;
  std::size_t uploads = 0, downloads = 0, uploads_beside = 0;
  std::size_t all() const { return launches.size() + gemms.size() + convolutions.size(); }
};

class HostDriver : public cuda::Driver {
 public:
  HostDriver();
  ~HostDriver() override;

  Calls calls;
  bool takes_convolutions = true;     // false: as a library that has no engine for anything
  std::size_t library_workspace = 0;  // bytes that each product and convolution of the library asks for
  // As cuDNN: its version, whether it takes f32 in TF32, whether runs are to repeat each other, and of each
  // plan it has for a convolution, the fastest first, whether its results are right.
  std::size_t version = 91900;
  bool tf32 = false, repeats = false;
  std::vector<bool> plans_right{true};
  bool records = true;  // whether rows of work can be recorded
  bool takes_exchanges = true, runs_recordings = true;
  std::size_t shared = std::size_t{227} << 10;  // of a block, as an H200 has it

  void* allocate(std::size_t bytes) override;
  void release(void* pointer) override;
  // From staging as late as a device may: when what comes next in its stream is done, or waited for.
  void upload(void* to, const void* from, std::size_t bytes) override;
  void download(void* to, const void* from, std::size_t bytes) override;
  // As late as a device may: at the next await_uploads(). Until then there is NaN.
  void upload_beside(void* to, const void* from, std::size_t bytes) override;
  void await_uploads() override;
  void* allocate_staging(std::size_t bytes) override;
  void release_staging(void* pointer) override;
  void set_bytes(void* to, int value, std::size_t bytes) override;
  void synchronize() override { settle(); }
  Mark mark() override {
    settle();
    return host_mark();
  }
  double seconds(const Mark& from, const Mark& to) override { return host_seconds(from, to); }

  bool on_host() const override { return true; }
  std::size_t shared_bytes() const override { return shared; }
  void launch(const cuda::Launch&, const void* kernel, cuda::Arguments) override;
  std::size_t workspace(const cuda::GemmCall&) const override { return library_workspace; }
  void gemm(const cuda::GemmCall&, void* workspace) override;
  bool is_chosen(const cuda::ConvCall&) const override;
  cuda::ConvChoice choose(const cuda::ConvCall&, const cuda::Memory&) override;
  void convolve(const cuda::ConvCall&, const cuda::ConvChoice&, void* workspace) override;
  std::string convolution_name(const cuda::ConvCall&, const cuda::Memory&) override;
  bool is_doubtful(const cuda::ConvCall&, const cuda::Memory&) override;
  bool deterministic() const override { return repeats; }
  void judge(const cuda::ConvCall&, bool right) override;
  PlanCounters plan_counters() const override { return plans_; }
  std::unique_ptr<cuda::Recording> record(const std::vector<cuda::Work>&) override;

 private:
  struct Standing {
    std::size_t plan = 0;
    std::shared_ptr<const std::size_t> chosen = nullptr;  // plan, once it was asked for
    bool judged = false;
  };
  struct Upload {
    void* to;
    const void* from;
    std::size_t bytes;
  };
  Standing& standing_of(const cuda::ConvCall&);
  void compute(const cuda::ConvCall&);
  void settle();
  std::unique_ptr<Backend> reference_;
  std::map<std::string, Standing> known_;  // convolutions
  PlanCounters plans_;
  std::vector<Upload> late_, beside_;
  std::map<const char*, std::size_t> staging_;  // bytes of each block
};

// The CUDA room on a HostDriver of its own, which it keeps; `driver` is where to look.
std::unique_ptr<Backend> make_host_cuda(HostDriver** driver = nullptr);

}  // namespace duet::testing
