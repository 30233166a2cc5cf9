// What a person meets in the first hour: nothing of theirs is overwritten, no result of another run is taken
// for this one's, and what is left out is said.
#include <algorithm>

#include "tests/tools/desk.h"

using namespace duet;
using namespace duet::testing;

namespace {

namespace fs = std::filesystem;

std::size_t lines(const Ran& ran) {
  return static_cast<std::size_t>(std::count(ran.output.begin(), ran.output.end(), '\n'));
}

}  // namespace

TEST_CASE("config: an edited file stays, flags that would do nothing are refused, memory is kept to") {
  const Desk desk;
  REQUIRE(desk.ran("@duet config --from {d}/data/dataset.json --memory 1 --out {d}/my.json").code == 0);
  desk.folder.write("my.json", "{} // edited");
  const Ran again = desk.ran("@duet config --from {d}/data/dataset.json --memory 1 --out {d}/my.json");
  CHECK(again.code == 4);
  CHECK(says(again, "my.json"));
  CHECK(contents_of(desk.folder / "my.json") == "{} // edited");
  CHECK(desk.ran("@duet config --from {d}/data/dataset.json --memory 1 --overwrite --out {d}/my.json").code ==
        0);
  CHECK(contents_of(desk.folder / "my.json") != "{} // edited");

  const Ran set = desk.ran("@duet config --from {d}/data/dataset.json --set model.width=2");
  CHECK(set.code == 2);
  CHECK(says(set, "--set"));
  const Ran small = desk.ran("@duet config --from {d}/data/dataset.json --memory 0.0001");
  CHECK(small.code == 2);
  CHECK(says(small, "MiB"));
  const Ran seed = desk.ran("@duet train --config {d}/c.json --out {d}/run --seed -1");
  CHECK(seed.code == 2);
  CHECK(seed.output.size() < 300);
}

TEST_CASE("a syntax error is one line; a patch of padding is warned of; a 2D network has flat patches") {
  const Desk desk;
  std::string broken = contents_of(desk.folder / "c.json");
  broken.insert(1, "\"training\" ");
  desk.folder.write("broken.json", broken);
  const Ran ran = desk.ran("@duet train --config {d}/broken.json --out {d}/run");
  CHECK(ran.code == 2);
  CHECK(lines(ran) == 1);
  const Ran padded = desk.ran(
      "@duet train --config {d}/c.json --set data.patch=[32,32,32] --set training.iterations=1 --out {d}/p");
  CHECK(padded.code == 0);
  CHECK(says(padded, "of a patch is padding"));
  const Ran flat = desk.ran("@duet train --config {d}/c.json --set model.dimensions=2 --out {d}/f");
  CHECK(flat.code == 2);
  CHECK(says(flat, "data.patch: expected D = 1"));
}

TEST_CASE("a run goes on by the config it has, and says which cases and weights its numbers are from") {
  const Desk desk;
  CHECK(desk.ran("@duet train --out {d}/run").code == 2);
  CHECK(desk.ran("@duet train --out {d}/run --resume").code == 4);
  const std::string sets = " --set training.iterations=3 --set model.width=3";
  REQUIRE(desk.ran("@duet train --config {d}/c.json --out {d}/run" + sets).code == 0);
  const std::string metrics = contents_of(desk.folder / "run/metrics.csv");
  CHECK(!says(desk.ran("@duet train --out {d}/run"), "finished"));
  const Ran on = desk.ran("@duet train --out {d}/run --resume");
  INFO(on.output);
  CHECK(on.code == 0);
  CHECK(contents_of(desk.folder / "run/metrics.csv") == metrics);

  // Its data set was named from another folder; weights to start from are for a run that begins.
  const std::string sets_here =
      " --set training.iterations=3 --set data.dataset=data/dataset.json --out here";
  REQUIRE(desk.ran("cd {d} && @duet train --config c.json" + sets_here).code == 0);
  const Ran there = desk.ran("cd / && @duet train --resume --out {d}/here --weights {d}/none");
  INFO(there.output);
  CHECK(there.code == 0);
  CHECK(says(there, "--weights: not read"));

  const Ran report = desk.ran("@duet report {d}/run");
  INFO(report.output);
  CHECK(report.code == 0);
  CHECK(says(report, "measuring on the validation cases"));
  CHECK(says(report, "2 of the validation set"));
  CHECK(says(report, "checkpoint: last"));

  const std::string predict = "@duet predict --input {d}/data/imagesTs --out {d}/out --run ";
  CHECK(!says(desk.ran(predict + "{d}/run"), "no best checkpoint"));
  REQUIRE(desk.ran("@duet train --config {d}/c.json --set data.validation=0 --out {d}/other").code == 0);
  const Ran other = desk.ran(predict + "{d}/other");
  CHECK(other.code == 2);
  CHECK(says(other, "expected another --out, or --overwrite"));
  const Ran replaced = desk.ran(predict + "{d}/other --overwrite");
  CHECK(replaced.code == 0);
  CHECK(says(replaced, "no best checkpoint"));
  const Ran none = desk.ran("@duet report {d}/other");
  CHECK(none.code == 3);
  CHECK(!fs::exists(desk.folder / "other/report"));

  fs::remove(desk.folder / "out/phantom_009.nii.gz");
  const Ran part = desk.ran("@duet evaluate --predictions {d}/out --references {d}/data/labelsTs");
  INFO(part.output);
  CHECK(part.code == 0);
  CHECK(says(part, "1 of the references have no prediction and do not count: phantom_009"));
}

TEST_CASE("two programs do not train into one folder") {
  const Desk desk;
  const Ran ran = desk.ran(
      "@duet train --config {d}/c.json --set training.iterations=100000 --out {d}/run & child=$!; "
      "for i in $(seq 3000); do [ -s {d}/run/metrics.csv ] && break; sleep 0.02; done; "
      "@duet train --out {d}/run --resume; echo code $?; kill -INT $child; wait $child");
  INFO(ran.output);
  CHECK(ran.code == 130);
  CHECK(says(ran, "in use by another duet"));
  CHECK(says(ran, "code 4"));
}

TEST_CASE("phantom: a size that makes no image leaves nothing behind") {
  const TemporaryFolder folder;
  CHECK(run_duet("@duet phantom --out " + (folder / "data").string() + " --size 8 20 20").code != 0);
  CHECK_FALSE(fs::exists(folder / "data"));
}

TEST_CASE(
    "scripts that begin with an empty folder refuse one that holds anything else, and remake their own") {
  const TemporaryFolder folder;
  const std::string d = folder.path().string();
  const std::string own = "cd " + d + " && bash " DUET_SOURCE_DIR "/tools/own_folder.sh x/demo.sh ";
  folder.write("thesis/chapter.txt", "years");
  for (const std::string taken : {"thesis", "thesis/chapter.txt", ".", "--help"}) {
    INFO(taken);
    CHECK(run_duet(own + taken).code == 2);
  }
  CHECK(contents_of(folder / "thesis" / "chapter.txt") == "years");
  CHECK(run_duet(own + "fresh").output == (folder / "fresh").string() + "\n");  // where the user stands
  folder.write("fresh/old.txt", "");
  CHECK(run_duet(own + "fresh").code == 0);
  CHECK_FALSE(fs::exists(folder / "fresh" / "old.txt"));
}
