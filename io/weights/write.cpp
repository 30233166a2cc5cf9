#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "io/files/files.h"
#include "io/weights/safetensors.h"

namespace duet {
namespace {

void check_array(const NamedArray& array, std::set<std::string_view>& names) {
  DUET_CHECK(array.name != "__metadata__" && names.insert(array.name).second, "safetensors: array name \"",
             array.name, "\" is reserved or stands twice");
  std::size_t bytes = size_of(array.type);
  for (Index size : array.shape) bytes *= static_cast<std::size_t>(size);
  DUET_CHECK(bytes == array.data.size(), "safetensors: array ", array.name, ' ', describe(array), " has ",
             array.data.size(), " bytes");
}

}  // namespace

void write_safetensors(const std::filesystem::path& file, const SafetensorsFile& contents) {
  std::vector<const NamedArray*> order;
  std::set<std::string_view> names;
  for (const NamedArray& array : contents.arrays) {
    check_array(array, names);
    order.push_back(&array);
  }
  std::sort(order.begin(), order.end(), [](const NamedArray* a, const NamedArray* b) {
    const std::size_t size_a = size_of(a->type), size_b = size_of(b->type);
    return size_a != size_b ? size_a > size_b : a->name < b->name;
  });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!contents.metadata.empty()) header["__metadata__"] = contents.metadata;
  // Members are joined as text, as an ordered object searches all its members for each new one.
  std::string members = header.dump();
  members.pop_back();
  std::size_t position = 0;
  for (const NamedArray* array : order) {
    const nlohmann::ordered_json entry = {{"dtype", name_of(array->type)},
                                          {"shape", array->shape},
                                          {"data_offsets", {position, position + array->data.size()}}};
    members += members.size() > 1 ? "," : "";
    members += nlohmann::ordered_json(array->name).dump() + ":" + entry.dump();
    position += array->data.size();
  }
  members += '}';
  members.resize((members.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = members.size();
  AtomicFile output(file);
  output.write(&length, sizeof length);
  output.write(members);
  for (const NamedArray* array : order) output.write(array->data.data(), array->data.size());
  output.commit();
}

}  // namespace duet
