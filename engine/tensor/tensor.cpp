#include "engine/tensor/tensor.h"

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
  storage_ = std::make_shared<Storage>(memory, count * size_of(dtype), who);
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

Tensor from_values(const std::shared_ptr<Allocator>& memory, const Shape& shape, DType dtype,
                   std::span<const double> values) {
  DUET_CHECK(static_cast<Index>(values.size()) == shape.elements(), "from_values: ", values.size(),
             " values for shape ", shape);
  Tensor tensor(memory, shape, dtype);
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (dtype) {
      case DType::f32:
        tensor.data<float>()[i] = static_cast<float>(values[i]);
        break;
      case DType::f64:
        tensor.data<double>()[i] = values[i];
        break;
      case DType::u8:
        tensor.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(values[i]);
        break;
      case DType::i32:
        tensor.data<std::int32_t>()[i] = static_cast<std::int32_t>(values[i]);
        break;
      case DType::bf16:
        tensor.data<bf16>()[i] = bf16(static_cast<float>(values[i]));
        break;
    }
  }
  return tensor;
}

std::vector<double> to_values(const Tensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.elements()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (tensor.dtype()) {
      case DType::f32:
        values[i] = tensor.data<float>()[i];
        break;
      case DType::f64:
        values[i] = tensor.data<double>()[i];
        break;
      case DType::u8:
        values[i] = tensor.data<std::uint8_t>()[i];
        break;
      case DType::i32:
        values[i] = tensor.data<std::int32_t>()[i];
        break;
      case DType::bf16:
        values[i] = static_cast<float>(tensor.data<bf16>()[i]);
        break;
    }
  }
  return values;
}

double scalar_value(const Tensor& tensor) {
  DUET_CHECK(tensor && tensor.elements() == 1, "scalar_value of shape ", tensor.shape());
  return to_values(tensor)[0];
}

}  // namespace duet
