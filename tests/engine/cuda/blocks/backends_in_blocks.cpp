// The CUDA room with its kernels run thread by thread, in two orders; no library convolves, so that the
// room's own kernels do all the work.
#include "engine/backend/cuda/cuda.h"
#include "engine/backend/ref/ref.h"
#include "engine/core/errors.h"
#include "tests/engine/cuda/blocks/block.h"
#include "tests/engine/cuda/host_driver.h"
#include "tests/support/backends.h"

namespace duet::testing {
namespace {

class OrderedDriver final : public HostDriver {
 public:
  explicit OrderedDriver(blocks::Order order) : order_(order) { takes_convolutions = false; }
  void launch(const cuda::Launch& launch, const void* kernel, cuda::Arguments arguments) override {
    const blocks::InOrder scope(order_);
    HostDriver::launch(launch, kernel, arguments);
  }

 private:
  blocks::Order order_;
};

}  // namespace

std::vector<std::string> tested_backends() {
  return {"cuda, threads forwards", "cuda, threads backwards", "ref"};
}

std::unique_ptr<Backend> make_tested(const std::string& name) {
  using blocks::Order;
  if (name == "ref") return make_ref_backend();
  if (name == "cuda on the host") return make_host_cuda();  // in the order of the process
  DUET_CHECK(name == "cuda, threads forwards" || name == "cuda, threads backwards", "no backend ", name);
  const Order order = name == "cuda, threads backwards" ? Order::backwards : Order::forwards;
  return cuda::make_backend(std::make_shared<OrderedDriver>(order));
}

}  // namespace duet::testing
