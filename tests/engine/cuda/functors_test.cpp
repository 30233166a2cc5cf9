// Every scalar function that the CPU and the CUDA rooms share, by hand. The values are whole numbers of small
// powers of two, so that float and double, and fused or separate multiplications, give the same.
#include "engine/kernels/functors.h"

#include <doctest/doctest.h>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <string>

namespace duet {
namespace {

using Names = std::set<std::string>;

// Names of the functors that have a test here; made by FUNCTOR_TEST before main.
Names& tested() {
  static Names names;
  return names;
}

// A test case of the functor of this name.
#define FUNCTOR_TEST(Name)                                 \
  using functors::Name;                                    \
  const bool tests_##Name = tested().insert(#Name).second; \
  TEST_CASE("functor " #Name)

// Calls f with a 0 of each type that functors are computed in.
template <class F>
void in_both_types(const F& f) {
  f(float{});
  f(double{});
}

// The names after `struct` in functors.h, comments left out.
Names structs_of_header() {
  std::ifstream file(DUET_SOURCE_DIR "/engine/kernels/functors.h");
  const std::regex pattern(R"(\bstruct\s+(\w+))");
  Names names;
  for (std::string line; std::getline(file, line);) {
    line = line.substr(0, line.find("//"));
    for (std::sregex_iterator at(line.begin(), line.end(), pattern), end; at != end; ++at) {
      names.insert((*at)[1]);
    }
  }
  return names;
}

template <class T>
constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
template <class T>
constexpr T kInfinity = std::numeric_limits<T>::infinity();

template <class T>
bool is_nan(T value) {
  return value != value;
}

FUNCTOR_TEST(Scale) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    CHECK(Scale{2.5}(T(-4)) == T(-10));
    CHECK(Scale{0.0}(T(7)) == T(0));
    CHECK(Scale{-0.125}(T(0.5)) == T(-0.0625));
    CHECK(Scale{0.1}(T(1)) == static_cast<T>(0.1));  // the factor is rounded to the type first
    CHECK(is_nan(Scale{0.0}(kNan<T>)));
  });
}

FUNCTOR_TEST(Add) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    CHECK(Add{}(T(1.5), T(-4)) == T(-2.5));
    CHECK(Add{}(T(-0.25), T(0.25)) == T(0));
    CHECK(is_nan(Add{}(kInfinity<T>, -kInfinity<T>)));
  });
}

FUNCTOR_TEST(Multiply) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    CHECK(Multiply{}(T(1.5), T(-4)) == T(-6));
    CHECK(Multiply{}(T(-0.5), T(-0.5)) == T(0.25));
    CHECK(is_nan(Multiply{}(T(0), kInfinity<T>)));
  });
}

FUNCTOR_TEST(Maximum) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    CHECK(Maximum{}(T(2), T(3)) == T(3));
    CHECK(Maximum{}(T(3), T(2)) == T(3));
    CHECK(Maximum{}(T(-5), T(-7)) == T(-5));
    CHECK(Maximum{}(-kInfinity<T>, T(-7)) == T(-7));
    // The second where the first is not greater.
    CHECK(Maximum{}(kNan<T>, T(1)) == T(1));
    CHECK(is_nan(Maximum{}(T(1), kNan<T>)));
  });
}

FUNCTOR_TEST(LeakyRelu) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    CHECK(LeakyRelu{0.25}(T(4)) == T(4));
    CHECK(LeakyRelu{0.25}(T(-4)) == T(-1));
    CHECK(LeakyRelu{0.25}(T(0)) == T(0));
    CHECK(LeakyRelu{0.0}(T(-4)) == T(0));  // plain ReLU
    CHECK(is_nan(LeakyRelu{0.25}(kNan<T>)));
  });
}

FUNCTOR_TEST(LeakyReluGradient) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    CHECK(LeakyReluGradient{0.25}(T(3), T(8)) == T(8));
    CHECK(LeakyReluGradient{0.25}(T(-1), T(8)) == T(2));
    CHECK(LeakyReluGradient{0.25}(T(0), T(-8)) == T(-2));  // at the kink as below it
    CHECK(LeakyReluGradient{0.0}(T(-1), T(8)) == T(0));
  });
}

FUNCTOR_TEST(DropoutMask) {
  // Known answer of Philox4x32-10 for a counter and a key of zeros: the draws of elements 0 to 3.
  const PhiloxKey zeros{.seed = 0, .stream = Stream::init, .network = 0, .layer = 0, .step = 0, .pass = 0};
  const std::uint64_t draws[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  for (std::uint64_t element = 0; element < 4; ++element) {
    CHECK(DropoutMask{zeros, 0}.keep(0, 0, element));                         // p = 0
    CHECK(DropoutMask{zeros, draws[element]}.keep(0, 0, element));            // reaches it
    CHECK_FALSE(DropoutMask{zeros, draws[element] + 1}.keep(0, 0, element));  // one below it
    CHECK_FALSE(DropoutMask{zeros, 0x1'0000'0000u}.keep(0, 0, element));      // p = 1
  }
  // Passes count from the pass of the key; sample and element are the draw's.
  PhiloxKey later = zeros;
  later.pass = 5;
  PhiloxKey sum = zeros;
  sum.pass = 7;
  const std::uint64_t bits = draw_bits(sum, 3, 41);
  CHECK(DropoutMask{later, bits}.keep(2, 3, 41));
  CHECK_FALSE(DropoutMask{later, bits + 1}.keep(2, 3, 41));
}

FUNCTOR_TEST(SgdUpdate) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    // g = 0.5 * 2 + 0.25 * 8 = 3; m = 0.5 * 4 + 3 = 5; p = 8 - 0.5 * 5.
    T m = 4, p = 8;
    SgdUpdate{0.5, 0.5, 0.25, 0.5, false}(T(2), m, p);
    CHECK(m == T(5));
    CHECK(p == T(5.5));
    // Nesterov: p = 8 - 0.5 * (3 + 0.5 * 5).
    m = 4, p = 8;
    SgdUpdate{0.5, 0.5, 0.25, 0.5, true}(T(2), m, p);
    CHECK(m == T(5));
    CHECK(p == T(5.25));
    // No momentum, no decay: plain descent; what m held does not matter.
    m = 4, p = 8;
    SgdUpdate{0.25, 0.0, 0.0, 1.0, false}(T(-2), m, p);
    CHECK(m == T(-2));
    CHECK(p == T(8.5));
  });
}

FUNCTOR_TEST(AdamWUpdate) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    AdamWStep step{.rate = 0.25, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 8, .weight_decay = 0.5, .t = 1};
    // g = 0.5 * 4; m = 0.5 * 2 + 0.5 * 2 = 2; v = 0.75 * 20 + 0.25 * 4 = 16. Corrected: m / 0.5 = 4,
    // sqrt(v / 0.25) = 8; p = 16 - 0.25 * 0.5 * 16 - 0.25 * 4 / (8 + 8).
    T m = 2, v = 20, p = 16;
    AdamWUpdate<T>(step, 0.5)(T(4), m, v, p);
    CHECK(m == T(2));
    CHECK(v == T(16));
    CHECK(p == T(13.9375));
    // Step 2: m = 0.5 * 2 + 0.5 * 1 = 1.5; v = 0.75 * 16 + 0.25 = 12.25, its root 3.5. Corrected: m / 0.75 =
    // 2, v / 0.4375 = 28; without decay and epsilon p = 13.9375 - 0.25 * 2 / sqrt(28).
    step.t = 2;
    step.epsilon = step.weight_decay = 0;
    AdamWUpdate<T>(step, 1.0)(T(1), m, v, p);
    CHECK(m == T(1.5));
    CHECK(v == T(12.25));
    CHECK(static_cast<double>(p) == doctest::Approx(13.9375 - 0.0944911182523068).epsilon(1e-6));
  });
}

FUNCTOR_TEST(EmaUpdate) {
  in_both_types([](auto zero) {
    using T = decltype(zero);
    CHECK(EmaUpdate{0.75}(T(8), T(4)) == T(7));
    CHECK(EmaUpdate{0.0}(T(8), T(4)) == T(4));
    CHECK(EmaUpdate{1.0}(T(8), T(4)) == T(8));
    CHECK(EmaUpdate{0.5}(T(-1), T(2)) == T(0.5));
  });
}

std::string listed(const Names& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

TEST_CASE("every functor of functors.h has a test, and every test a functor") {
  const Names structs = structs_of_header();
  MESSAGE("shared functors under test: " << tested().size() << ": " << listed(tested()));
  CHECK(structs.size() >= 10);  // the header was found and read
  CHECK(listed(structs) == listed(tested()));
}

}  // namespace
}  // namespace duet
