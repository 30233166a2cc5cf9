// Named arrays in a safetensors file: u64 little-endian length of a JSON header, the header
// {"name": {"dtype", "shape", "data_offsets": [begin, end]}, ..., "__metadata__": {text: text}}, then the
// data. (Format: the safetensors project's README.) Called by nn for weights and by cotrain for checkpoints.
// Always after reading: names differ, sorted; each array's bytes are its shape times its element size;
// little-endian. The same arrays and metadata give the same bytes.
#pragma once

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/core/errors.h"
#include "engine/core/shape.h"

namespace duet {

enum class StoredType { f32, f64, u8, i32, i64, u64 };

std::size_t size_of(StoredType type);
const char* name_of(StoredType type);  // as in the file: "F32"

template <class T>
constexpr StoredType stored_type_of() {
  if constexpr (std::is_same_v<T, float>)
    return StoredType::f32;
  else if constexpr (std::is_same_v<T, double>)
    return StoredType::f64;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return StoredType::u8;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return StoredType::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return StoredType::i64;
  else {
    static_assert(std::is_same_v<T, std::uint64_t>, "no StoredType for this type");
    return StoredType::u64;
  }
}

struct NamedArray {
  std::string name;
  StoredType type = StoredType::f32;
  std::vector<Index> shape;  // any rank; () is a scalar; a size may be 0
  std::vector<std::byte> data;
};

struct SafetensorsFile {
  std::map<std::string, std::string> metadata;
  std::vector<NamedArray> arrays;
  const NamedArray* find(std::string_view name) const;  // or null
};

// "F32 (8,3,3,3,4)", for messages.
std::string describe(const NamedArray& array);

template <class T>
NamedArray make_array(std::string name, std::vector<Index> shape, std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  return {std::move(name), stored_type_of<T>(), std::move(shape), {bytes.begin(), bytes.end()}};
}

// The elements; EngineError where the array holds another type.
template <class T>
std::vector<T> values_of(const NamedArray& array) {
  DUET_CHECK(array.type == stored_type_of<T>(), array.name, ": expected ", name_of(stored_type_of<T>()),
             ", found ", describe(array));
  std::vector<T> values(array.data.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), array.data.data(), values.size() * sizeof(T));
  return values;
}

// What to take into memory: of headers' arrays `data` stays empty, whatever they say of its size.
enum class Read { all, headers };

// Error(data) naming the file, and the array: missing, truncated, header not JSON or too long, type not among
// the above, offsets that overlap, leave gaps, lie outside the file or do not fit the shape.
SafetensorsFile read_safetensors(const std::filesystem::path& file, Read what = Read::all);

// Atomic; Error(filesystem). Data stands by element size (largest first, so that all is aligned), then by
// name; the header is padded with spaces to 8 bytes. A name twice, "__metadata__" as a name, or data that
// does not fit the shape: EngineError.
void write_safetensors(const std::filesystem::path& file, const SafetensorsFile& contents);

}  // namespace duet
