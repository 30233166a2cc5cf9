// Copying boxes, and the class that joins the kernels of pool.cu and upsample.cu to it.
#include "engine/backend/cuda/region_parts.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

using Sizes = std::array<Index, 5>;

Sizes sizes_of(const Shape& s) { return {s.n, s.d, s.h, s.w, s.c}; }
Shape shape_of(const Sizes& s) { return {s[0], s[1], s[2], s[3], s[4]}; }
Position position_of(const Offset5& o) { return {o[0], o[1], o[2], o[3], o[4]}; }

struct Box {
  Sizes x, y, extent;
  Offset5 x_offset, y_offset;
};

// Axes become channels as long as the box spans the channels of both tensors: what lies together is copied in
// packs, whatever the channels, and whole samples are a single run.
Box joined(Box box) {
  for (std::size_t axis = 4; axis-- > 0;) {
    if (box.extent[4] != box.x[4] || box.extent[4] != box.y[4]) break;
    box.x_offset[4] = box.x_offset[axis] * box.x[4];
    box.y_offset[4] = box.y_offset[axis] * box.y[4];
    box.x_offset[axis] = box.y_offset[axis] = 0;
    for (Sizes* sizes : {&box.x, &box.y, &box.extent}) {
      (*sizes)[4] *= (*sizes)[axis];
      (*sizes)[axis] = 1;
    }
  }
  return box;
}

// Bits as they are, whatever they mean. x, y from the box's first element on.
template <class T>
struct Copy {
  const T* x;
  T* y;
  Shape from, to;
  template <int W>
  DUET_HOST_DEVICE void at(const Position& p, Index) const {
    const Pack<T, W> values = *reinterpret_cast<const Pack<T, W>*>(x + flat(from, p));
    *reinterpret_cast<Pack<T, W>*>(y + flat(to, p)) = values;
  }
};

template <class T>
struct AddCopy {
  const T* x;
  T* y;
  Shape from, to;
  template <int W>
  DUET_HOST_DEVICE void at(const Position& p, Index) const {
    store<W>(y, flat(to, p), load<W>(x, flat(from, p)), Accum::add);
  }
};

template <template <class> class Move, class T>
void move_box(const Room& room, const Box& box, ConstView x, View y) {
  const Shape from = shape_of(box.x), to = shape_of(box.y);
  const T* in = x.as<T>() + flat(from, position_of(box.x_offset));
  T* out = y.as<T>() + flat(to, position_of(box.y_offset));
  const bool whole_packs = from.c % kPack<T> == 0 && to.c % kPack<T> == 0;
  for_voxel_packs<T>(*room.driver, "copy_region", shape_of(box.extent), whole_packs && aligned(in, out),
                     Move<T>{in, out, from, to});
}

void copy_box(const Room& room, const Box& box, ConstView x, View y) {
  switch (x.dtype) {
    case DType::f32:
      return move_box<Copy, float>(room, box, x, y);
    case DType::f64:
      return move_box<Copy, double>(room, box, x, y);
    case DType::u8:
      return move_box<Copy, std::uint8_t>(room, box, x, y);
    case DType::i32:
      return move_box<Copy, std::int32_t>(room, box, x, y);
    case DType::bf16:
      return move_box<Copy, bf16>(room, box, x, y);
  }
}

void check_box(const char* side, const Shape& shape, const Offset5& offset, const Shape& extent) {
  const Sizes size = sizes_of(shape), box = sizes_of(extent);
  for (std::size_t i = 0; i < 5; ++i) {
    DUET_CHECK(offset[i] >= 0 && box[i] >= 1 && box[i] <= size[i] - offset[i], "copy_region: box ", extent,
               " at (", offset[0], ",", offset[1], ",", offset[2], ",", offset[3], ",", offset[4],
               ") is not inside ", side, " ", shape);
  }
}

class CudaRegion final : public RegionKernels {
 public:
  explicit CudaRegion(const Room& room) : room_(room) {}

  void copy_region(ConstView x, const Offset5& x_offset, View y, const Offset5& y_offset, const Shape& extent,
                   Accum accum) override {
    check_box("x", x.shape, x_offset, extent);
    check_box("y", y.shape, y_offset, extent);
    DUET_CHECK(x.dtype == y.dtype, "copy_region: ", name_of(x.dtype), " onto ", name_of(y.dtype));
    const Box box = joined({sizes_of(x.shape), sizes_of(y.shape), sizes_of(extent), x_offset, y_offset});
    if (accum == Accum::write) return copy_box(room_, box, x, y);
    with_storage("copy_region +=", x.dtype,
                 [&](auto type) { move_box<AddCopy, decltype(type)>(room_, box, x, y); });
  }

  void max_pool_forward(const PoolSpec& spec, ConstView x, View y, View where) override {
    cuda::max_pool_forward(room_, spec, x, y, where);
  }
  void max_pool_backward(const PoolSpec& spec, ConstView dy, ConstView where, View dx, Accum accum) override {
    cuda::max_pool_backward(room_, spec, dy, where, dx, accum);
  }
  void average_pool_forward(const PoolSpec& spec, ConstView x, View y) override {
    cuda::average_pool_forward(room_, spec, x, y);
  }
  void average_pool_backward(const PoolSpec& spec, ConstView dy, View dx, Accum accum) override {
    cuda::average_pool_backward(room_, spec, dy, dx, accum);
  }
  void upsample_forward(UpsampleKind kind, const Triple& factor, ConstView x, View y) override {
    cuda::upsample_forward(room_, kind, factor, x, y);
  }
  void upsample_backward(UpsampleKind kind, const Triple& factor, ConstView dy, View dx,
                         Accum accum) override {
    cuda::upsample_backward(room_, kind, factor, dy, dx, accum);
  }

 private:
  Room room_;
};

}  // namespace

std::unique_ptr<RegionKernels> make_region(const Room& room) { return std::make_unique<CudaRegion>(room); }

}  // namespace duet::cuda
