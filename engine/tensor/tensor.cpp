#include "engine/tensor/tensor.h"

#include <type_traits>

#include "engine/core/errors.h"

namespace duet {

struct Tensor::Storage {
  Storage(std::shared_ptr<Allocator> from, std::size_t size, const char* who)
      : memory(std::move(from)), data(memory->allocate(size, who)), bytes(size) {}
  ~Storage() { memory->release(data, bytes); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::shared_ptr<Allocator> memory;
  void* data;
  std::size_t bytes;
  std::uint64_t version = 0;
};

Tensor::Tensor(const std::shared_ptr<Allocator>& memory, const Shape& shape, DType dtype, const char* who)
    : shape_(shape), dtype_(dtype) {
  const auto count = static_cast<std::size_t>(checked_elements(shape));
  try {
    storage_ = std::make_shared<Storage>(memory, count * size_of(dtype), who);
  } catch (const Error& error) {
    throw Error(error.code(), text(error.what(), " (asked for: ", shape, " of ", name_of(dtype), ')'));
  }
}

View Tensor::view() const {
  if (!storage_) return {};
  return {static_cast<char*>(storage_->data) + offset_, shape_, dtype_};
}

ConstView Tensor::cview() const {
  if (!storage_) return {};
  ConstView view = this->view();
  view.version = offset_ == 0 ? storage_->version : 0;
  return view;
}

Tensor Tensor::samples(Index begin, Index end) const {
  DUET_CHECK(0 <= begin && begin < end && end <= shape_.n, "samples [", begin, ",", end, ") of ", shape_);
  Tensor part = *this;
  part.shape_.n = end - begin;
  part.offset_ += static_cast<std::size_t>(begin * (shape_.elements() / shape_.n)) * size_of(dtype_);
  return part;
}

Tensor Tensor::reshaped(const Shape& shape) const {
  DUET_CHECK(checked_elements(shape) == elements(), "reshape of ", shape_, " to ", shape);
  Tensor other = *this;
  other.shape_ = shape;
  return other;
}

void Tensor::mark_changed() const {
  if (storage_) storage_->version = storage_->memory->next_version();
}

Tensor Tensor::shell() const {
  Tensor tensor = *this;
  tensor.storage_ = nullptr;
  return tensor;
}

bool Tensor::unique() const { return storage_.use_count() == 1; }

std::shared_ptr<Allocator> Tensor::memory() const { return storage_ ? storage_->memory : nullptr; }

void Tensor::check_on_host() const {
  DUET_CHECK(!storage_ || storage_->memory->on_host(), "tensor ", shape_,
             " is on the device, where the host cannot follow a pointer");
}

void Tensor::copy_from(const void* host) const {
  if (storage_) storage_->memory->upload(view().data, host, bytes());
}

void Tensor::copy_to(void* host) const {
  if (storage_) storage_->memory->download(host, view().data, bytes());
}

Tensor moved_to(const std::shared_ptr<Allocator>& memory, const Tensor& tensor) {
  if (!tensor || tensor.memory()->on_host() == memory->on_host()) return tensor;
  Tensor moved(memory, tensor.shape(), tensor.dtype(), "copy between host and device");
  if (memory->on_host()) {
    tensor.copy_to(moved.view().data);
  } else {
    moved.copy_from(tensor.view().data);
  }
  return moved;
}

namespace {

// Calls f(T{}) with the type of elements.
template <class F>
void with_element(DType dtype, const F& f) {
  switch (dtype) {
    case DType::f32:
      return f(float{});
    case DType::f64:
      return f(double{});
    case DType::u8:
      return f(std::uint8_t{});
    case DType::i32:
      return f(std::int32_t{});
    case DType::bf16:
      return f(bf16{});
  }
}

template <class T>
T element_of(double value) {
  if constexpr (std::is_same_v<T, bf16>) {
    return bf16(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

}  // namespace

Tensor from_values(const std::shared_ptr<Allocator>& memory, const Shape& shape, DType dtype,
                   std::span<const double> values) {
  DUET_CHECK(static_cast<Index>(values.size()) == shape.elements(), "from_values: ", values.size(),
             " values for shape ", shape);
  const Tensor tensor(memory, shape, dtype);
  with_element(dtype, [&](auto type) {
    using T = decltype(type);
    std::vector<T> elements(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) elements[i] = element_of<T>(values[i]);
    tensor.copy_from(elements.data());
  });
  return tensor;
}

std::vector<double> to_values(const Tensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.elements()));
  with_element(tensor.dtype(), [&](auto type) {
    std::vector<decltype(type)> elements(values.size());
    tensor.copy_to(elements.data());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(elements[i]);
  });
  return values;
}

double scalar_value(const Tensor& tensor) {
  DUET_CHECK(tensor && tensor.elements() == 1, "scalar_value of shape ", tensor.shape());
  return to_values(tensor)[0];
}

}  // namespace duet
