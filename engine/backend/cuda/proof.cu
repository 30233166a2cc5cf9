#include <algorithm>
#include <vector>

#include "engine/backend/cuda/calls.h"
#include "engine/backend/cuda/direct.h"
#include "engine/backend/cuda/launch.h"
#include "engine/backend/cuda/matrices.h"
#include "engine/backend/cuda/proof.h"
#include "engine/kernels/dispatch.h"

namespace duet::cuda {
namespace {

constexpr float kTolerance = 1e-2f;  // of the greatest value; a result in bf16 is rounded by 4e-3 at most
constexpr float kFar = 1e30f;
constexpr Index kPieces = 8192;

// Numbers of 8 bits in [-1, 1), which bf16 and TF32 hold as they are: both sides read the same.
template <class T>
struct Draw {
  T* to;
  float* exact;
  std::uint32_t seed;
  DUET_HOST_DEVICE void operator()(Index i) const {
    std::uint32_t hash = static_cast<std::uint32_t>(i) ^ seed;  // then MurmurHash3's finaliser
    hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
    hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
    const float value = (static_cast<float>((hash ^ (hash >> 16)) >> 24) - 128.0f) / 128.0f;
    to[i] = T(value);
    exact[i] = value;
  }
};

// The greatest difference, and the greatest value expected, of each piece.
template <class T>
struct Differ {
  const T* got;
  const float* expected;
  float *differences, *values;  // (kPieces)
  Index elements;
  DUET_HOST_DEVICE void operator()(Index piece) const {
    float difference = 0, value = 0;
    for (Index i = piece; i < elements; i += kPieces) {
      const float off = static_cast<float>(got[i]) - expected[i], apart = off < 0 ? -off : off;
      const float size = expected[i] < 0 ? -expected[i] : expected[i];
      if (!(apart <= difference)) difference = apart <= kFar ? apart : kFar;  // kFar also of NaN
      if (size > value) value = size;
    }
    differences[piece] = difference;
    values[piece] = value;
  }
};

// A tensor of the call's type beside the same values in f32.
class Operand {
 public:
  // As aligned as `like`.
  Operand(const Room& room, const Shape& shape, DType type, const void* like, std::uint32_t seed)
      : shape_(shape),
        type_(type),
        own_(room.memory, bytes_of(shape, type) + 16, "convolution that is checked"),
        exact_(room.memory, bytes_of(shape, DType::f32), "convolution that is checked"),
        data_(static_cast<char*>(own_.data()) + alignment_of(like) % 16) {
    with_storage("conv3d", type, [&](auto storage) {
      using T = decltype(storage);
      for_items(*room.driver, "conv3d proof values", shape.elements(),
                Draw<T>{static_cast<T*>(data_), static_cast<float*>(exact_.data()), seed});
    });
  }
  void* data() const { return data_; }
  View exact() const { return {exact_.data(), shape_, DType::f32}; }

  // What is written over is NaN before.
  void forget(const Room& room) const { room.driver->set_bytes(data_, 0xFF, bytes_of(shape_, type_)); }

  bool is_as_expected(const Room& room) const {
    const Scratch found(room.memory, 2 * kPieces * sizeof(float), "convolution that is checked");
    auto* differences = static_cast<float*>(found.data());
    with_storage("conv3d", type_, [&](auto storage) {
      using T = decltype(storage);
      for_items(*room.driver, "conv3d proof", kPieces,
                Differ<T>{static_cast<const T*>(data_), static_cast<const float*>(exact_.data()), differences,
                          differences + kPieces, shape_.elements()});
    });
    std::vector<float> host(2 * kPieces);
    room.driver->download(host.data(), found.data(), host.size() * sizeof(float));
    const auto values = host.begin() + kPieces;
    return *std::max_element(host.begin(), values) <= kTolerance * *std::max_element(values, host.end());
  }

 private:
  Shape shape_;
  DType type_;
  Scratch own_, exact_;
  void* data_;
};

void run_own(const Room& room, const ConvCall& call, ConstView first, ConstView second, View result) {
  const Problem problem{call.spec, call.x, call.w, call.y};
  switch (call.pass) {
    case ConvPass::forward:
      return direct_forward(room, problem, first, second, {}, result, call.accum);
    case ConvPass::data:
      return direct_data(room, problem, first, second, result, call.accum);
    default:
      return direct_weights(room, problem, first, second, result, call.accum);
  }
}

bool compare(const Room& room, ConvCall call) {
  const Operand first(room, first_shape(call), call.activations, call.first, 1);
  const Operand second(room, second_shape(call), second_type(call), call.second, 2);
  const Operand result(room, result_shape(call), result_type(call), call.result, 3);
  run_own(room, call, first.exact(), second.exact(), result.exact());
  if (call.accum == Accum::write) result.forget(room);
  call.first = first.data();
  call.second = second.data();
  call.result = result.data();
  return convolve(room, call) && result.is_as_expected(room);
}

}  // namespace

std::optional<bool> agrees(const Room& room, const ConvCall& call) {
  try {
    return compare(room, call);
  } catch (const Error& error) {
    // No memory. Where the device itself is in trouble, the next call says so.
    if (error.code() != ExitCode::device || room.driver->deterministic()) throw;
    return std::nullopt;
  }
}

}  // namespace duet::cuda
