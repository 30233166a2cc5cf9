// `duet phantom`: a made-up data set that is hard enough to learn from.
#include "cotrain/phantom/phantom.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/core/errors.h"
#include "io/files/files.h"
#include "io/nifti/write.h"
#include "tools/command.h"

namespace duet {
namespace {

namespace fs = std::filesystem;

struct PhantomFlags {
  fs::path out;
  Index cases = 24, unlabelled = 0, test = 8, seed = 1;
  std::vector<Index> size;
};

std::string case_name(Index i) {
  char name[32];
  std::snprintf(name, sizeof name, "phantom_%03lld", static_cast<long long>(i));
  return name;
}

int phantom_command(const PhantomFlags& flags) {
  PhantomSpec spec;
  if (!flags.size.empty()) spec.size = {flags.size[0], flags.size[1], flags.size[2]};
  if (flags.unlabelled > flags.cases) {
    throw Error(ExitCode::usage,
                text("--unlabelled: expected at most --cases ", flags.cases, ", found ", flags.unlabelled));
  }
  if (fs::exists(flags.out / "dataset.json")) {
    throw Error(ExitCode::filesystem,
                text(flags.out.string(), ": holds another data set; expected an empty or new folder"));
  }
  check_phantom(spec);  // before there are folders
  for (const char* folder : {"imagesTr", "labelsTr", "imagesTs", "labelsTs"}) make_folder(flags.out / folder);
  nlohmann::ordered_json json = {
      {"name", "Phantom"},
      {"description", "made-up images: two nested organs among neighbours of the same brightness"},
      {"tensorImageSize", "3D"},
      {"modality", {{"0", "phantom"}}},
      {"labels", {{"0", "background"}, {"1", "outer"}, {"2", "inner"}}},
      {"numTraining", flags.cases},
      {"numTest", flags.test},
      {"training", nlohmann::ordered_json::array()},
      {"test", nlohmann::ordered_json::array()}};
  for (Index i = 0; i < flags.cases + flags.test; ++i) {
    const bool test = i >= flags.cases, labelled = test || i < flags.cases - flags.unlabelled;
    const PhantomCase made =
        make_phantom(static_cast<std::uint64_t>(flags.seed), static_cast<std::uint32_t>(i), spec);
    const Geometry geometry = make_geometry(made.size, made.spacing);
    const std::string file = case_name(i) + ".nii.gz", set = test ? "Ts/" : "Tr/";
    write_image(flags.out / ("images" + set) / file, geometry, std::span<const float>(made.image));
    if (labelled)
      write_image(flags.out / ("labels" + set) / file, geometry, std::span<const std::uint8_t>(made.labels));
    if (test) {
      json["test"].push_back("./imagesTs/" + file);
    } else {
      nlohmann::ordered_json entry = {{"image", "./imagesTr/" + file}};
      if (labelled) entry["label"] = "./labelsTr/" + file;
      json["training"].push_back(entry);
    }
  }
  write_file(flags.out / "dataset.json", json.dump(1) + "\n");
  std::cout << (flags.out / "dataset.json").string() << ": " << flags.cases << " training cases ("
            << flags.cases - flags.unlabelled << " labelled), " << flags.test
            << " test cases in imagesTs, labelsTs\n";
  return 0;
}

}  // namespace

void add_phantom(Program& program) {
  auto* command = program.app.add_subcommand("phantom", "make a data set of phantoms");
  auto flags = std::make_shared<PhantomFlags>();
  command->add_option("--out", flags->out, "folder of the data set")->required();
  command->add_option("--cases", flags->cases, "training cases")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--unlabelled", flags->unlabelled, "how many of them have no label")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  command->add_option("--test", flags->test, "further cases with labels, kept apart")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  command->add_option("--seed", flags->seed, "seed")->check(CLI::NonNegativeNumber)->capture_default_str();
  command->add_option("--size", flags->size, "voxels D H W (they vary a little from case to case)")
      ->expected(3);
  command->callback([&program, flags] { program.run = [flags] { return phantom_command(*flags); }; });
}

}  // namespace duet
