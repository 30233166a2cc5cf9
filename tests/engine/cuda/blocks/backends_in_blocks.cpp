// The CUDA room with its kernels run thread by thread, in two orders; no library convolves, so that the
// room's own kernels do all the work.
#include "engine/backend/cuda/cuda.h"
#include "engine/backend/ref/ref.h"
#include "tests/engine/cuda/blocks/block.h"
#include "tests/engine/cuda/host_driver.h"
#include "tests/support/backends.h"

namespace duet::testing {
namespace {

class OrderedDriver final : public HostDriver {
 public:
  explicit OrderedDriver(blocks::Order order) : order_(order) { takes_convolutions = false; }
  void launch(const cuda::Launch& launch, const void* kernel, cuda::Arguments arguments) override {
    blocks::set_order(order_);
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
  if (name == "ref") return make_ref_backend();
  const bool backwards = name == "cuda, threads backwards";
  return cuda::make_backend(
      std::make_shared<OrderedDriver>(backwards ? blocks::Order::backwards : blocks::Order::forwards));
}

}  // namespace duet::testing
