#include "engine/backend/timed/group.h"

namespace duet::timed {
namespace {

class Region final : public Group<RegionKernels> {
 public:
  using Group::Group;

  void copy_region(ConstView x, const Offset5& from, View y, const Offset5& to, const Shape& extent,
                   Accum a) override {
    View box = y;  // what is moved is the box, of both
    box.shape = extent;
    run("copy_region", "regions", {box, box, again(box, a)},
        [&] { inner_->copy_region(x, from, y, to, extent, a); });
  }
  void max_pool_forward(const PoolSpec& s, ConstView x, View y, View where) override {
    run("max_pool_forward", "regions", {x, y, where}, [&] { inner_->max_pool_forward(s, x, y, where); });
  }
  void max_pool_backward(const PoolSpec& s, ConstView dy, ConstView where, View dx, Accum a) override {
    run("max_pool_backward", "regions", {dy, where, dx, again(dx, a)},
        [&] { inner_->max_pool_backward(s, dy, where, dx, a); });
  }
  void average_pool_forward(const PoolSpec& s, ConstView x, View y) override {
    run("average_pool_forward", "regions", {x, y}, [&] { inner_->average_pool_forward(s, x, y); });
  }
  void average_pool_backward(const PoolSpec& s, ConstView dy, View dx, Accum a) override {
    run("average_pool_backward", "regions", {dy, dx, again(dx, a)},
        [&] { inner_->average_pool_backward(s, dy, dx, a); });
  }
  void upsample_forward(UpsampleKind kind, const Triple& factor, ConstView x, View y) override {
    run("upsample_forward", "regions", {x, y}, [&] { inner_->upsample_forward(kind, factor, x, y); });
  }
  void upsample_backward(UpsampleKind kind, const Triple& factor, ConstView dy, View dx, Accum a) override {
    run("upsample_backward", "regions", {dy, dx, again(dx, a)},
        [&] { inner_->upsample_backward(kind, factor, dy, dx, a); });
  }
};

}  // namespace

std::unique_ptr<RegionKernels> wrap(std::unique_ptr<RegionKernels> inner, Timings& timings) {
  return std::make_unique<Region>(std::move(inner), timings);
}

}  // namespace duet::timed
