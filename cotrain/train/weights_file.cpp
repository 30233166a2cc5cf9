#include "cotrain/train/weights_file.h"

#include <set>

#include "engine/core/errors.h"
#include "io/weights/shards.h"
#include "nn/layout.h"

namespace duet {

void append_state(SafetensorsFile& file, const std::vector<NamedTensor>& state, int dimensions,
                  const std::string& prefix) {
  for (const NamedTensor& each : state) {
    std::vector<Index> shape;
    const std::vector<float> values = to_pytorch_order(each, shape, dimensions);
    file.arrays.push_back(make_array<float>(prefix + each.name, shape, values));
  }
}

void restore_state(const SafetensorsFile& file, const std::vector<NamedTensor>& state,
                   const std::string& prefix, const std::string& source, bool exact, int dimensions) {
  std::set<std::string> expected;
  for (const NamedTensor& each : state) {
    const std::string name = prefix + each.name;
    expected.insert(name);
    const std::vector<Index> shape = pytorch_shape(each, dimensions);
    NamedArray wanted{name, StoredType::f32, shape, {}};
    const NamedArray* found = file.find(name);
    if (!found) {
      throw Error(ExitCode::data, text(source, ": weights of another network: expected ", name, " ",
                                       describe(wanted), ", found no such array"));
    }
    if (found->shape != shape || found->type != StoredType::f32) {
      throw Error(ExitCode::data, text(source, ": weights of another network: expected ", name, " ",
                                       describe(wanted), ", found ", describe(*found)));
    }
  }
  for (const NamedArray& array : file.arrays) {
    const bool ours = array.name.rfind(prefix, 0) == 0;
    const bool counter =
        array.name.ends_with("num_batches_tracked");  // PyTorch's batch norm counts; we need no count
    if (exact && ours && !counter && !expected.contains(array.name)) {
      throw Error(ExitCode::data, text(source, ": weights of another network: expected no array ", array.name,
                                       ", found ", describe(array)));
    }
  }
  for (const NamedTensor& each : state) {
    NamedTensor target = each;
    from_pytorch_order(target, values_of<float>(*file.find(prefix + each.name)));
    each.value.mark_changed();
  }
}

void write_weights(const std::filesystem::path& path, const Network& network,
                   const std::map<std::string, std::string>& metadata, std::size_t most_bytes) {
  SafetensorsFile file;
  file.metadata = metadata;
  append_state(file, network.state(), network.config().dimensions);
  write_shards(path, file, most_bytes);
}

void read_weights(const std::filesystem::path& path, Network& network) {
  restore_state(read_shards(path), network.state(), "", path.string(), true, network.config().dimensions);
}

}  // namespace duet
