// Tensors: handles to shared storage, views of samples, shapes, versions.
#include "engine/tensor/tensor.h"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>

#include "engine/backend/ref/ref.h"

using namespace duet;

namespace {

std::shared_ptr<Allocator> host() { return Allocator::create(host_memory()); }

}  // namespace

TEST_CASE("an empty tensor holds nothing") {
  const Tensor empty;
  CHECK(!empty);
  CHECK(!empty.view());
  CHECK(!empty.cview());
  CHECK(empty.memory() == nullptr);
  CHECK_THROWS_AS(scalar_value(empty), EngineError);
}

TEST_CASE("values go in and out in each type") {
  const auto memory = host();
  for (const DType type : {DType::f32, DType::f64, DType::u8, DType::i32}) {
    const std::vector<double> values{1, 2, 3, 4, 5, 200};
    const Tensor tensor = from_values(memory, {1, 1, 2, 3, 1}, type, values);
    CHECK(tensor.bytes() == 6 * size_of(type));
    CHECK(tensor.dtype() == type);
    CHECK(to_values(tensor) == values);
  }
  CHECK_THROWS_AS(from_values(memory, Shape::vector(2), DType::f32, std::vector<double>{1}), EngineError);
  CHECK(scalar_value(from_values(memory, Shape::scalar(), DType::f32, std::vector<double>{2.5})) == 2.5);
}

TEST_CASE("copies share their storage, which goes back when the last one goes") {
  const auto memory = host();
  {
    Tensor a(memory, Shape::vector(100), DType::f32);
    const Tensor b = a;
    a.span<float>()[3] = 7;
    CHECK(b.data<float>()[3] == 7);
    CHECK(a.memory() == memory);
    a = Tensor();
    CHECK(memory->counters().live_bytes >= 400);
    CHECK(b.data<float>()[3] == 7);
  }
  CHECK(memory->counters().live_bytes == 0);
}

TEST_CASE("a tensor may outlive every other handle to its allocator") {
  auto memory = host();
  const Tensor tensor = from_values(memory, Shape::vector(2), DType::f64, std::vector<double>{1, 2});
  memory.reset();
  CHECK(to_values(tensor)[1] == 2);
}

TEST_CASE("samples are views into the batch") {
  const auto memory = host();
  std::vector<double> values(24);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  const Tensor all = from_values(memory, {4, 1, 1, 3, 2}, DType::f32, values);
  const Tensor part = all.samples(1, 3);
  CHECK(part.shape() == Shape{2, 1, 1, 3, 2});
  CHECK(part.data<float>() == all.data<float>() + 6);
  CHECK(to_values(part).front() == 6);
  CHECK(to_values(part).back() == 17);
  CHECK(to_values(part.samples(1, 2)).front() == 12);  // of a part of a part
  part.data<float>()[0] = -1;
  CHECK(all.data<float>()[6] == -1);
  const ConstView view = all.cview().samples(2, 4);
  CHECK(view.as<float>() == all.data<float>() + 12);
  CHECK(view.shape.n == 2);
  CHECK(all.view().samples(3, 4).as<float>() == all.data<float>() + 18);
  CHECK_THROWS_AS(all.samples(2, 2), EngineError);
  CHECK_THROWS_AS(all.samples(-1, 2), EngineError);
  CHECK_THROWS_AS(all.samples(0, 5), EngineError);
}

TEST_CASE("reshaping shares the data and keeps the number of elements") {
  const auto memory = host();
  const Tensor a = from_values(memory, {1, 1, 2, 3, 1}, DType::f32, std::vector<double>{1, 2, 3, 4, 5, 6});
  const Tensor b = a.reshaped(Shape::vector(6));
  CHECK(b.shape() == Shape::vector(6));
  CHECK(b.data<float>() == a.data<float>());
  CHECK(a.shape() == Shape{1, 1, 2, 3, 1});
  CHECK_THROWS_AS(a.reshaped(Shape::vector(5)), EngineError);
  CHECK_THROWS_AS(a.reshaped(Shape{-1, 1, 1, 1, -6}), EngineError);
}

TEST_CASE("versions: not cacheable at first, new at each change, shared by handles, not by parts") {
  const auto memory = host();
  const Tensor a(memory, {2, 1, 1, 1, 4}, DType::f32), other(memory, Shape::vector(4), DType::f32);
  CHECK(a.cview().version == 0);
  const Tensor copy = a;
  copy.mark_changed();
  const std::uint64_t first = a.cview().version;
  CHECK(first != 0);
  other.mark_changed();
  CHECK(other.cview().version != first);
  a.mark_changed();
  CHECK(a.cview().version != first);
  CHECK(a.samples(1, 2).cview().version == 0);
  CHECK(a.cview().samples(0, 1).version == 0);
  CHECK(static_cast<ConstView>(a.view()).version == 0);
}

TEST_CASE("wrong types and absurd shapes are errors, not reads") {
  const auto memory = host();
  const Tensor a(memory, Shape::vector(4), DType::f32);
  CHECK_THROWS_AS(a.data<double>(), EngineError);
  CHECK_THROWS_AS(a.cview().as<std::int32_t>(), EngineError);
  CHECK_THROWS_AS(Tensor(memory, Shape{0, 1, 1, 1, 1}, DType::f32), EngineError);
  CHECK_THROWS_AS(Tensor(memory, Shape{1, -1, 1, 1, 1}, DType::f32), EngineError);
  const Index large = Index{1} << 40;
  CHECK_THROWS_AS(Tensor(memory, Shape{large, large, large, 1, 1}, DType::f32), EngineError);
  CHECK(memory->counters().live_bytes < 1000);
}

TEST_CASE("poisoned tensors are NaN until written") {
  const auto memory = host();
  memory->set_poison(true);
  const Tensor f(memory, Shape::vector(5), DType::f32), d(memory, Shape::vector(5), DType::f64);
  for (const double v : to_values(f)) CHECK(std::isnan(v));
  for (const double v : to_values(d)) CHECK(std::isnan(v));
}

TEST_CASE("an allocation that fails names who asked") {
  const auto memory = host();
  memory->set_limit(1 << 16);
  try {
    const Tensor tensor(memory, {1, 64, 64, 64, 1}, DType::f32, "conv3d (1,64,64,64,1)");
    FAIL("should not fit");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::device);
    CHECK(std::string(error.what()).find("conv3d (1,64,64,64,1)") == 0);
  }
}
