// Shapes of untrusted sizes, element types and errors.
#include "engine/core/shape.h"

#include <doctest/doctest.h>
#include <limits>
#include <sstream>
#include <string>

#include "engine/core/dtype.h"
#include "engine/core/errors.h"

namespace duet {

TEST_CASE("sizes of a shape") {
  const Shape s{2, 3, 4, 5, 6};
  CHECK(s.voxels() == 60);
  CHECK(s.rows() == 120);
  CHECK(s.elements() == 720);
  CHECK(checked_elements(s) == 720);
  CHECK(s.with_channels(1) == Shape{2, 3, 4, 5, 1});
  CHECK(s.with_batch(9) == Shape{9, 3, 4, 5, 6});
  CHECK(s.spatial() == Triple{3, 4, 5});
  CHECK(Shape::vector(7).elements() == 7);
  CHECK(Shape::scalar().elements() == 1);
  std::ostringstream out;
  out << s;
  CHECK(out.str() == "(2,3,4,5,6)");
}

TEST_CASE("checked_elements refuses what is empty, negative or would overflow") {
  constexpr Index kHuge = std::numeric_limits<Index>::max();
  for (const Shape& bad : {Shape{0, 1, 1, 1, 1}, Shape{1, -1, 1, 1, 1}, Shape{1, 1, 1, 1, -kHuge},
                           Shape{kHuge, 1, 1, 1, 1}, Shape{1, Index{1} << 25, Index{1} << 24, 1, 1},
                           Shape{Index{1} << 32, Index{1} << 32, 1, 1, 1}, Shape{3, 3, 3, 3, kHuge / 9}}) {
    CHECK_THROWS_AS(checked_elements(bad), EngineError);
  }
  CHECK(checked_elements({1, Index{1} << 24, Index{1} << 24, 1, 1}) == Index{1} << 48);
}

TEST_CASE("element types") {
  CHECK(size_of(DType::f32) == sizeof(float));
  CHECK(size_of(DType::f64) == sizeof(double));
  CHECK(size_of(DType::u8) == 1);
  CHECK(size_of(DType::i32) == 4);
  CHECK(std::string(name_of(dtype_of<float>())) == "f32");
  CHECK(std::string(name_of(dtype_of<std::int32_t>())) == "i32");
}

TEST_CASE("errors carry the exit code and the joined message") {
  try {
    DUET_CHECK(1 > 2, "conv3d: expected ", 4, " channels, got ", 6.5);
    FAIL("no exception");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "conv3d: expected 4 channels, got 6.5");
    CHECK(error.code() == ExitCode::usage);
  }
  CHECK(static_cast<int>(Error(ExitCode::data, "x").code()) == 3);
  CHECK(static_cast<int>(ExitCode::interrupted) == 130);
  CHECK_NOTHROW(DUET_CHECK(true, "never"));
}

}  // namespace duet
