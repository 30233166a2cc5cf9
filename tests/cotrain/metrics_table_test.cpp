// Summaries and the written forms of the table.
#include <doctest/doctest.h>
#include <string>

#include "cotrain/metrics/summary.h"
#include "tests/cotrain/metrics_volumes.h"

namespace duet {
namespace {

using testing::Volume;

MetricsTable small_table() {
  MetricsTable table{{"background", "organ", "a \"b\", c"}, {}};
  Volume reference({4, 4, 4}), half({4, 4, 4}), empty({4, 4, 4});
  reference.box({0, 0, 0}, {2, 2, 2});
  half.box({0, 0, 0}, {2, 2, 1});
  const std::vector<std::uint8_t> classes = {1, 2};
  add_case(table, "one", reference.labels, reference.labels, reference.size, {1, 1, 1}, classes);
  add_case(table, "two", half.labels, reference.labels, reference.size, {1, 1, 1}, classes);
  add_case(table, "three", empty.labels, reference.labels, reference.size, {1, 1, 1}, classes);
  return table;
}

bool contains(const std::string& all, const std::string& part) { return all.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("mean and deviation of what is defined") {
  const std::vector<std::optional<double>> values = {1.0, std::nullopt, 3.0, 5.0, std::nullopt};
  const Statistic s = summarize(values);
  CHECK(s.defined == 3);
  CHECK(s.undefined == 2);
  CHECK(*s.mean == doctest::Approx(3.0));
  CHECK(*s.std == doctest::Approx(2.0));
  const std::vector<std::optional<double>> one = {4.0}, none = {std::nullopt};
  CHECK(*summarize(one).mean == 4.0);
  CHECK_FALSE(summarize(one).std.has_value());
  CHECK_FALSE(summarize(none).mean.has_value());
  CHECK(summarize(none).undefined == 1);
}

TEST_CASE("a summary a class, undefined values apart") {
  const MetricsTable table = small_table();
  CHECK(table.rows.size() == 6);
  const std::vector<ClassSummary> summaries = summarize(table);
  REQUIRE(summaries.size() == 2);
  CHECK(summaries[0].class_index == 1);
  CHECK(*summaries[0].dice.mean == doctest::Approx((1 + 2.0 * 4 / 12 + 0) / 3));
  CHECK(summaries[0].hd95.defined == 2);
  CHECK(summaries[0].hd95.undefined == 1);
  CHECK(summaries[1].dice.undefined == 3);
  CHECK_FALSE(summaries[1].dice.mean.has_value());
  CHECK(*mean_dice(table) == doctest::Approx(*summaries[0].dice.mean));
  CHECK_FALSE(mean_dice(MetricsTable{}).has_value());
}

TEST_CASE("text, CSV and JSON") {
  const MetricsTable table = small_table();
  const std::string text = table_text(table);
  CHECK(contains(text, "0.5556 ± 0.5092"));
  CHECK(contains(text, "hd95 1"));
  CHECK(contains(text, "mean Dice over the classes: 0.5556"));
  const std::string csv = table_csv(table);
  CHECK(contains(
      csv,
      "case,class,class_name,dice,jaccard,hd95,asd,assd,prediction_voxels,reference_voxels,common_voxels\n"));
  CHECK(contains(csv, "one,1,organ,1,1,0,0,0,8,8,8\n"));
  CHECK(contains(csv, "three,1,organ,0,0,,,,0,8,0\n"));
  CHECK(contains(csv, "one,2,\"a \"\"b\"\", c\",,,,,,0,0,0\n"));
  const std::string json = table_json(table);
  CHECK(contains(json,
                 "{\"case\": \"three\", \"class\": 1, \"class_name\": \"organ\", \"dice\": 0, \"jaccard\": "
                 "0, \"hd95\": null"));
  CHECK(contains(json, "\"class_name\": \"a \\\"b\\\", c\""));
  CHECK(contains(json, "\"mean_dice\": 0.5555555556"));
  CHECK(contains(json, "\"undefined\": 3"));
}

}  // namespace duet
