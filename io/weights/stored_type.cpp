#include <algorithm>
#include <bit>

#include "io/weights/safetensors.h"

namespace duet {

static_assert(std::endian::native == std::endian::little, "safetensors data is copied as it stands");

std::size_t size_of(StoredType type) {
  switch (type) {
    case StoredType::u8:
      return 1;
    case StoredType::f32:
    case StoredType::i32:
      return 4;
    case StoredType::f64:
    case StoredType::i64:
    case StoredType::u64:
      return 8;
  }
  return 0;
}

const char* name_of(StoredType type) {
  switch (type) {
    case StoredType::f32:
      return "F32";
    case StoredType::f64:
      return "F64";
    case StoredType::u8:
      return "U8";
    case StoredType::i32:
      return "I32";
    case StoredType::i64:
      return "I64";
    case StoredType::u64:
      return "U64";
  }
  return "?";
}

std::string describe(const NamedArray& array) {
  std::string sizes;
  for (Index size : array.shape) {
    sizes += sizes.empty() ? "" : ",";
    sizes += std::to_string(size);
  }
  return text(name_of(array.type), " (", sizes, ')');
}

const NamedArray* SafetensorsFile::find(std::string_view name) const {
  const auto found =
      std::find_if(arrays.begin(), arrays.end(), [&](const NamedArray& array) { return array.name == name; });
  return found == arrays.end() ? nullptr : &*found;
}

}  // namespace duet
