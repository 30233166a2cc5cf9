// Golden files and the formulas behind them; the other half is golden/make_golden.py. Used by tests of nn.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "nn/layout.h"
#include "nn/network.h"

namespace duet::testing {

using GoldenFile = std::map<std::string, std::vector<float>>;

inline GoldenFile read_golden(const std::string& name) {
  const auto path = std::filesystem::path(DUET_SOURCE_DIR) / "tests/nn/golden" / (name + ".bin");
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::vector<std::pair<std::string, std::size_t>> entries;
  for (std::string line; std::getline(in, line) && line != "end";) {
    std::istringstream words(line);
    entries.emplace_back();
    words >> entries.back().first >> entries.back().second;
  }
  GoldenFile file;
  for (const auto& [key, count] : entries) {
    std::vector<float>& values = file[key];
    values.resize(count);
    in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(float)));
  }
  if (!in) throw std::runtime_error("truncated " + path.string());
  return file;
}

// Element i of the noise numbered `which`, in [-1, 1).
inline double noise(std::size_t i, int which) {
  std::uint32_t h = static_cast<std::uint32_t>(i + 1) * 0x9E3779B1u;
  h ^= static_cast<std::uint32_t>(which) * 0x85EBCA77u;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 12;
  h *= 0x297A2D39u;
  h ^= h >> 15;
  return h / 2147483648.0 - 1.0;
}

inline void set_formula_weights(Network& network, int which) {
  int number = 200 * which;
  for (NamedTensor& tensor : network.state()) {
    if (tensor.name.find("running") != std::string::npos) continue;
    ++number;
    const std::vector<Index> shape = pytorch_shape(tensor);
    std::vector<float> values(static_cast<std::size_t>(tensor.value.elements()));
    double summed = 1.0;
    for (std::size_t k = 1; k < shape.size(); ++k) summed *= static_cast<double>(shape[k]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double v = noise(i, number);
      if (shape.size() > 1) {
        values[i] = static_cast<float>(v * std::sqrt(6.0 / summed));
      } else {
        values[i] = static_cast<float>(tensor.name.ends_with("weight") ? 1.0 + 0.2 * v : 0.1 * v);
      }
    }
    from_pytorch_order(tensor, values);
  }
}

struct FormulaBatch {
  Tensor image;   // (2,D,H,W,channels)
  Tensor labels;  // (2,D,H,W,1), u8
};

inline FormulaBatch formula_batch(Backend& backend, const Triple& size, Index channels, Index classes,
                                  DType dtype) {
  const auto [D, H, W] = size;
  std::vector<double> image(static_cast<std::size_t>(2 * D * H * W * channels));
  std::vector<double> labels(static_cast<std::size_t>(2 * D * H * W));
  auto square = [](Index v) { return v * v; };
  for (Index n = 0, v = 0; n < 2; ++n) {
    for (Index z = 0; z < D; ++z) {
      for (Index y = 0; y < H; ++y) {
        for (Index x = 0; x < W; ++x, ++v) {
          const Index q =
              square(2 * z - (D - 1) + n) + square(2 * y - (H - 1) + n) + square(2 * x - (W - 1) + n);
          const double label = (2 * q < W * W ? 1.0 : 0.0) + (classes > 2 && 8 * q < W * W ? 1.0 : 0.0);
          labels[static_cast<std::size_t>(v)] = label;
          for (Index c = 0; c < channels; ++c) {
            const auto theirs = static_cast<std::size_t>((((n * channels + c) * D + z) * H + y) * W + x);
            image[static_cast<std::size_t>(v * channels + c)] =
                static_cast<float>(noise(theirs, 1000) + 0.5 * label);
          }
        }
      }
    }
  }
  return {from_values(backend.memory, {2, D, H, W, channels}, dtype, image),
          from_values(backend.memory, {2, D, H, W, 1}, DType::u8, labels)};
}

// Values of an activation (N,D,H,W,C) in the order N C D H W.
inline std::vector<double> channels_first(const Tensor& tensor) {
  const Shape& s = tensor.shape();
  const std::vector<double> ours = to_values(tensor);
  std::vector<double> theirs(ours.size());
  for (Index n = 0; n < s.n; ++n) {
    for (Index v = 0; v < s.voxels(); ++v) {
      for (Index c = 0; c < s.c; ++c) {
        theirs[static_cast<std::size_t>((n * s.c + c) * s.voxels() + v)] =
            ours[static_cast<std::size_t>((n * s.voxels() + v) * s.c + c)];
      }
    }
  }
  return theirs;
}

}  // namespace duet::testing
