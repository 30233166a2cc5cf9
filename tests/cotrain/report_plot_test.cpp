// The pieces of a page: plots, ticks, numbers and bytes as text, and none of them by the locale.
#include <array>
#include <clocale>
#include <doctest/doctest.h>
#include <limits>
#include <locale>

#include "cotrain/report/html.h"
#include "cotrain/report/svg_plot.h"
#include "tests/cotrain/report_checks.h"
#include "tests/cotrain/report_runs.h"

using namespace duet;
using namespace duet::testing;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("a point that is not finite breaks a line") {
  Plot plot;
  plot.series.push_back({"a", "#000", {0, 1, 2, 3, 4, 5}, {1, 2, kNan, 3, kInfinity, 4}});
  const std::string svg = svg_plot(plot);
  CHECK(count_of("<polyline", svg) == 1);  // 0 and 1
  CHECK(count_of("<circle", svg) == 2);    // 3 and 5, without neighbours
  CHECK(has_points(plot));
  plot.log_y = true;
  plot.series[0].y = {0, -1, kNan, 0, kInfinity, -4};
  CHECK_FALSE(has_points(plot));
  CHECK(malformed("<html>" + svg_plot(plot) + "</html>") == "");
}

TEST_CASE("ticks are multiples of 1, 2 or 5 and lie in the range") {
  CHECK(nice_ticks({0, 1}, 5) == std::vector<double>{0, 0.2, 0.4, 3 * 0.2, 0.8, 1});
  CHECK(nice_ticks({25, 1000}, 6) == std::vector<double>{200, 400, 600, 800, 1000});
  CHECK(nice_ticks({1, 1}, 5).empty());
  CHECK(nice_ticks({kNan, 1}, 5).empty());
  CHECK(nice_ticks({0, kInfinity}, 5).empty());
  for (double low : {-3e9, -1.0, -1e-7, 0.0, 0.83, 12345.0}) {
    for (double length : {1e-3, 0.7, 3.0, 1e4, 7e9}) {
      const auto ticks = nice_ticks({low, low + length}, 5);
      CHECK(ticks.size() <= 9);
      for (const double tick : ticks)
        CHECK((tick >= low - 1e-6 * length && tick <= low + length * (1 + 1e-6)));
    }
  }
}

TEST_CASE("numbers and bytes as text") {
  CHECK(fixed_number(0.9125, 2) == "0.91");
  CHECK(fixed_number(-0.0001, 2) == "0.00");
  CHECK(fixed_number(kNan, 3) == "-");
  CHECK(short_number(1200) == "1200");
  CHECK(short_number(0.05) == "0.05");
  CHECK(short_number(3e7) == "3e+07");
  CHECK(short_number(-kInfinity) == "-");
  CHECK(base64("") == "");  // RFC 4648, section 10
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64(std::string("\xff\0\xfe", 3)) == "/wD+");
}

TEST_CASE("the same page under a locale with a decimal comma") {
  const TemporaryFolder folder;
  const PageInput input = made_up_study(folder);
  const std::string page = html_page(input);
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale(), new Comma));
  const std::string of_streams = html_page(input);  // std::locale alone, as C++ streams see it
  std::locale::global(before);
  CHECK(of_streams == page);

  for (const char* name :
       {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE", "de_AT.UTF-8", "nl_NL.UTF-8"}) {
    if (!std::setlocale(LC_ALL, name)) continue;
    std::array<char, 8> buffer{};
    std::snprintf(buffer.data(), buffer.size(), "%.1f", 0.5);
    const std::string of_c = html_page(input);
    std::setlocale(LC_ALL, "C");
    CHECK(std::string(buffer.data()) == "0,5");
    CHECK(of_c == page);
    return;
  }
  MESSAGE("SKIPPED: no C locale with a decimal comma is installed");
}
