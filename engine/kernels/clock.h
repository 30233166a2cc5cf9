// Places in a device's work, to tell from them how long what lies between took.
#pragma once

#include <chrono>
#include <memory>

namespace duet {

using Mark = std::shared_ptr<const void>;

// Those of the host, where a call returns when its work is done: points in time.
inline Mark host_mark() {
  return std::make_shared<const std::chrono::steady_clock::time_point>(std::chrono::steady_clock::now());
}
inline double host_seconds(const Mark& from, const Mark& to) {
  const auto time = [](const Mark& mark) {
    return *static_cast<const std::chrono::steady_clock::time_point*>(mark.get());
  };
  return std::chrono::duration<double>(time(to) - time(from)).count();
}

}  // namespace duet
