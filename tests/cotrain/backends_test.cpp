// Whole runs of each method on the backends under test: ten steps as on the reference, and the same bytes
// again.
#include "tests/support/backends.h"

#include "tests/cotrain/run_losses.h"

namespace duet::testing {

TEST_CASE("ten steps of each method have the losses of the reference") {
  for (const std::string& name : other_backends()) {
    for (const std::string method : {"supervised", "mean_teacher", "ua_mt", "cps", "udct"}) {
      INFO(name << ' ' << method);
      const std::vector<double> got = losses_of_run(backend_of(name), method, 10),
                                expected = losses_of_run(ref_backend(), method, 10);
      REQUIRE(got.size() == expected.size());
      for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-3));
      CHECK(losses_of_run(backend_of(name), method, 10) == got);
    }
  }
}

}  // namespace duet::testing
