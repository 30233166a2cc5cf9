// One row for each bad input: what is run, the exit code, what the message names, and that earlier outputs
// are intact. The rows are in bad_input_data.cpp and bad_input_files.cpp.
#include "tests/tools/bad_input.h"

namespace duet::testing {

TEST_CASE("bad input: exit code, what is named, earlier outputs intact") {
  Place place;
  std::vector<Row> rows;
  for (const auto& part : {image_rows(), dataset_rows(), config_rows(), file_rows()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  const auto before = place.outputs();
  for (const Row& row : rows) {
    fs::remove_all(place.folder / "new");
    row.prepare(place);
    const Ran ran = place.ran(row.command);
    INFO(row.name, ": ", row.command, "\n", ran.output);
    CHECK(ran.code == row.code);
    for (std::string piece : row.named) {
      if (const auto at = piece.find("{d}"); at != std::string::npos) piece.replace(at, 3, place.dir);
      INFO("named: ", piece);
      CHECK(ran.output.find(piece) != std::string::npos);
    }
    auto after = place.outputs();
    after.erase(place.dir + "/predictions/other.nii.gz");
    const std::string note =
        place.dir + "/predictions/predictions.jsonl";  // where `other` has a line of its own
    CHECK(after[note].starts_with(before.at(note)));
    after[note] = before.at(note);
    CHECK(after == before);
    // No half-written file is left anywhere.
    for (const auto& entry : fs::recursive_directory_iterator(place.folder.path())) {
      CHECK(entry.path().filename().string().find(".tmp") == std::string::npos);
    }
  }
  std::printf("bad-input rows: %zu\n", rows.size());
}

}  // namespace duet::testing
