// `duet info FILE`: what an image (or a weights file) holds; exit 3 where the file is refused.
#include <algorithm>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/core/errors.h"
#include "io/nifti/image.h"
#include "io/weights/safetensors.h"
#include "tools/command.h"

namespace duet {
namespace {

using Json = nlohmann::ordered_json;

struct InfoFlags {
  std::filesystem::path file;
  bool json = false;
};

// A size of 0 first, as the others may be of any size then.
Index values_in(const std::vector<Index>& shape) {
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  return std::accumulate(shape.begin(), shape.end(), Index{1}, std::multiplies<>());
}

Json describe_weights(const std::filesystem::path& file) {
  const SafetensorsFile weights = read_safetensors(file, Read::headers);
  Json json = {{"file", file.string()}, {"format", "safetensors"}};
  Index values = 0;
  Json arrays = Json::object();
  for (const NamedArray& array : weights.arrays) {
    arrays[array.name] = {{"type", name_of(array.type)}, {"shape", array.shape}};
    values += values_in(array.shape);
  }
  json["values"] = values;
  for (const auto& [key, value] : weights.metadata) json["metadata"][key] = value;
  json["arrays"] = arrays;
  return json;
}

Json describe_image(const std::filesystem::path& file) {
  const ImageInfo info = read_header(file);
  if (!info.refused.empty()) {
    throw Error(ExitCode::data, info.refused.find(file.string()) == std::string::npos
                                    ? text(file.string(), ": ", info.refused)
                                    : info.refused);
  }
  const Image image = read_image(file);
  const NonFinite bad = count_nonfinite(image.data);
  float low = 0, high = 0;
  double sum = 0;
  bool first = true;
  for (float value : image.data) {
    if (!(value - value == 0)) continue;  // not finite
    low = first ? value : std::min(low, value);
    high = first ? value : std::max(high, value);
    sum += value;
    first = false;
  }
  const auto finite = static_cast<double>(image.data.size()) - static_cast<double>(bad.count);
  Json affine = Json::array();
  for (const auto& row : image.affine.m) affine.push_back(row);
  Json json = {{"file", info.file.string()},
               {"format", text("NIfTI-", info.version, info.single_file ? "" : " pair",
                               info.compressed ? ", gzip" : "", info.big_endian ? ", big-endian" : "")},
               {"datatype", info.datatype_name},
               {"shape_ijk", info.shape},
               {"spacing_dhw", image.spacing},
               {"unit", info.spatial_unit},
               {"orientation", axis_codes(image.affine)},
               {"affine_source", info.affine_source},
               {"affine", affine},
               {"slope", info.slope},
               {"intercept", info.intercept},
               {"scaled", info.scaled},
               {"extensions", info.extensions},
               {"description", info.description},
               {"min", low},
               {"max", high},
               {"mean", finite > 0 ? sum / finite : 0.0},
               {"not_finite", bad.count}};
  return json;
}

int info_command(const InfoFlags& flags) {
  if (!std::filesystem::exists(flags.file)) {
    throw Error(ExitCode::filesystem, text(flags.file.string(), ": expected a file, found none"));
  }
  const Json json =
      flags.file.extension() == ".safetensors" ? describe_weights(flags.file) : describe_image(flags.file);
  if (flags.json) {
    print_json_line(json);
    return 0;
  }
  for (const auto& [key, value] : json.items()) {
    std::cout << key << ": ";
    if (value.is_object()) {
      std::cout << '\n';
      for (const auto& [name, inner] : value.items())
        std::cout << "  " << name << ": " << inner.dump() << '\n';
    } else {
      std::cout << (value.is_string() ? value.get<std::string>() : value.dump()) << '\n';
    }
  }
  return 0;
}

}  // namespace

void add_info(Program& program) {
  auto* command =
      program.app.add_subcommand("info", "what an image or a weights file holds; exit 3 where it is refused");
  auto flags = std::make_shared<InfoFlags>();
  command->add_option("file", flags->file, "NIfTI image or .safetensors")->required();
  command->add_flag("--json", flags->json, "print JSON");
  command->callback([&program, flags] { program.run = [flags] { return info_command(*flags); }; });
}

}  // namespace duet
