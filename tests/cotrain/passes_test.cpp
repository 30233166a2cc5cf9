// Uncertainty against the number of passes: the statistics on maps made up by hand, the table, its place in
// the page.
#include "cotrain/study/passes.h"

#include <cmath>
#include <doctest/doctest.h>

#include "cotrain/report/page.h"
#include "engine/core/errors.h"
#include "tests/cotrain/report_checks.h"
#include "tests/cotrain/study_results.h"

using namespace duet;
using namespace duet::testing;

namespace {

using Map = std::vector<float>;

MapAgreement agreement_of(const std::vector<std::pair<Map, Map>>& cases) {
  MapAgreement agreement;
  for (const auto& [map, reference] : cases) add_maps(agreement, map, reference);
  return agreement;
}

}  // namespace

TEST_CASE("agreement of maps: difference and correlation by hand") {
  // The reference is 0.25 + map / 2, or the same downwards.
  const MapAgreement up = agreement_of({{{0, 0.5f, 1, 0.5f}, {0.25f, 0.5f, 0.75f, 0.5f}}});
  CHECK(mean_absolute_difference(up) == 0.125);
  CHECK(correlation(up) == doctest::Approx(1).epsilon(1e-14));
  const MapAgreement down = agreement_of({{{0, 0.5f, 1, 0.5f}, {0.75f, 0.5f, 0.25f, 0.5f}}});
  CHECK(mean_absolute_difference(down) == 0.375);
  CHECK(correlation(down) == doctest::Approx(-1).epsilon(1e-14));
  // Means 2/3 and 1/3; covariance 2/9 - 1/9 = 1/9 of variances 2/9 each.
  const MapAgreement half = agreement_of({{{0, 1, 1}, {0, 1, 0}}});
  CHECK(mean_absolute_difference(half) == doctest::Approx(1.0 / 3));
  CHECK(correlation(half) == doctest::Approx(0.5).epsilon(1e-14));
}

TEST_CASE("agreement of maps is over all voxels of the cases, not a mean of cases") {
  const MapAgreement pooled = agreement_of({{{0, 1}, {0, 1}}, {{1, 0}, {0, 1}}});
  CHECK(pooled.voxels == 4);
  CHECK(mean_absolute_difference(pooled) == 0.5);
  CHECK(correlation(pooled) == 0);
  // A case twice as large counts twice.
  CHECK(mean_absolute_difference(agreement_of({{{0}, {0.75f}}, {{0, 0}, {0, 0}}})) == 0.25);
  // Each case alone is constant; together they are a line.
  CHECK(correlation(agreement_of({{{0.1f, 0.1f}, {0.2f, 0.2f}}, {{0.3f}, {0.4f}}})) ==
        doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("agreement of maps: what is not defined, and what does not fit") {
  CHECK(std::isnan(mean_absolute_difference({})));
  CHECK(std::isnan(correlation({})));
  const Map third(1000, 0.3f), other(1000, 0.7f);  // no sum of which is exact
  const MapAgreement constant = agreement_of({{third, other}});
  CHECK(mean_absolute_difference(constant) == doctest::Approx(0.4).epsilon(1e-6));
  CHECK(std::isnan(correlation(constant)));
  MapAgreement agreement;
  CHECK_THROWS_AS(add_maps(agreement, Map{0, 1}, Map{0}), EngineError);
}

TEST_CASE("the table of passes, as Markdown and in the page") {
  PassesResult made;
  made.cases = 7;
  made.rows = {{1, 0.0125, std::nan(""), std::nullopt, 0.25}, {64, 0.0012345, 0.99871, 0.9264, 12.5}};
  const TextTable table = passes_table(made);
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0] == std::vector<std::string>{"1", "0.01250", "-", "-", "0.25"});
  CHECK(table.rows[1] == std::vector<std::string>{"64", "0.00123", "0.9987", "0.926", "12.50"});
  CHECK(has(as_markdown(table), "| 64 | 0.00123 | 0.9987 | 0.926 | 12.50 |"));
  CHECK(has(as_markdown(table), "over all voxels of 7 cases"));

  PageInput input{"run", "", {}, {made_result("run", 1, {0.5, 0.25}, true)}};
  input.runs[0].pictures.clear();
  const std::string heading = "<h2>Uncertainty against the number of passes</h2>";
  CHECK_FALSE(has(html_page(input), heading));
  input.passes = as_html(table);
  const std::string page = html_page(input);
  CHECK(malformed(page) == "");
  CHECK(has(page, heading));
  CHECK(has(page, "<td>0.9987</td>"));
  CHECK(has(page, "is the floor"));
}
