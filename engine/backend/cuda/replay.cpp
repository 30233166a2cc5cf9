#include "engine/backend/cuda/replay.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace duet::cuda {
namespace {

// Rows of one kind that are kept beside each other, as those of two networks are; recordings in all (a
// training has about a hundred), and rows that were seen once.
constexpr std::size_t kMostAlike = 6, kMostKept = 512, kMostKinds = 4096;
constexpr std::size_t kMostFailures = 32;  // after which nothing more is recorded

// Where `row` is not what stands recorded; empty where it cannot take its place, or in more than half.
std::optional<std::vector<std::size_t>> differences(const std::vector<Work>& recorded,
                                                    const std::vector<Work>& row) {
  if (recorded.size() != row.size()) return std::nullopt;
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (recorded[i] == row[i]) continue;
    if (!are_exchangeable(recorded[i], row[i]) || at.size() >= row.size() / 2) return std::nullopt;
    at.push_back(i);
  }
  return at;
}

}  // namespace

Replay::Replay(std::shared_ptr<Driver> device) : device_(std::move(device)) { held_.reserve(kMost); }

// Nobody can see any more what was held back. Recordings go once the device has run them.
Replay::~Replay() {
  try {
    device_->synchronize();
  } catch (const Error&) {  // told to whoever waited last
  }
}

void Replay::release(void* pointer) {
  flush_quietly();
  device_->release(pointer);
}
void Replay::upload(void* to, const void* from, std::size_t bytes) {
  flush();
  device_->upload(to, from, bytes);
}
void Replay::download(void* to, const void* from, std::size_t bytes) {
  flush();
  device_->download(to, from, bytes);
}
void Replay::upload_beside(void* to, const void* from, std::size_t bytes) {
  flush();
  device_->upload_beside(to, from, bytes);
}
void Replay::await_uploads() {
  flush();
  device_->await_uploads();
}
void Replay::release_staging(void* pointer) {
  flush_quietly();
  device_->release_staging(pointer);
}
void Replay::synchronize() {
  flush();
  device_->synchronize();
}

Mark Replay::mark() {
  flush();
  return device_->mark();
}

void Replay::set_bytes(void* to, int value, std::size_t bytes) {
  if (bytes > 0) add({FillWork{to, value, bytes}});
}
void Replay::launch(const Launch& launch, const void* kernel, Arguments arguments) {
  add({KernelWork(launch, kernel, arguments)});
}
void Replay::gemm(const GemmCall& call, void* workspace) { add({GemmWork{call, workspace}}); }
void Replay::convolve(const ConvCall& call, const ConvChoice& choice, void* workspace) {
  add({ConvWork{call, choice, workspace}});
}

// A choice that is to be made tries engines on the stream, behind what was asked for before.
ConvChoice Replay::choose(const ConvCall& call, const Memory& memory) {
  if (!device_->is_chosen(call)) flush();
  return device_->choose(call, memory);
}
std::string Replay::convolution_name(const ConvCall& call, const Memory& memory) {
  if (!device_->is_chosen(call)) flush();
  return device_->convolution_name(call, memory);
}
bool Replay::is_doubtful(const ConvCall& call, const Memory& memory) {
  if (!device_->is_chosen(call)) flush();
  const bool doubtful = device_->is_doubtful(call, memory);
  if (doubtful) flush();  // so that the comparison meets no errors but its own
  return doubtful;
}

void Replay::add(Work work) {
  held_.push_back(std::move(work));
  if (held_.size() >= kMost) flush();
}

void Replay::flush() {
  if (untold_) std::rethrow_exception(std::exchange(untold_, nullptr));
  queue_held();
}

// Memory is given back behind this, so that nothing may stay held. The first failure is the one to be told.
void Replay::flush_quietly() noexcept {
  try {
    queue_held();
  } catch (...) {
    if (!untold_) untold_ = std::current_exception();
  }
}

void Replay::queue_held() {
  if (held_.empty()) return;
  Row row;
  row.reserve(kMost);
  row.swap(held_);
  queue_row(row);
}

// A row is recorded when it is seen the second time, so that whatever a first use prepares is done.
void Replay::queue_row(const Row& row) {
  if (row.size() < kLeast) return queue_alone(row);
  if (known_.size() >= kMostKinds || kept_ >= kMostKept) forget();
  const auto [known, is_new] = known_.try_emplace(kind_of(row));
  Kind& kind = known->second;
  const bool ready =
      !is_new && !kind.refused && (bring_forward(kind.alike, row) || keep(kind, row)) && run(kind);
  if (!ready) queue_alone(row);
}

// Makes the recording that differs least from the row the first one, and the row itself. False where none
// comes near, or the device does not take the change.
bool Replay::bring_forward(std::vector<Kept>& alike, const Row& row) {
  std::size_t nearest = alike.size();
  std::vector<std::size_t> fewest;
  for (std::size_t i = 0; i < alike.size(); ++i) {
    auto differing = differences(alike[i].works, row);
    if (!differing || (nearest < alike.size() && differing->size() >= fewest.size())) continue;
    nearest = i;
    fewest = std::move(*differing);
  }
  if (nearest == alike.size()) return false;
  Kept& kept = alike[nearest];
  try {
    for (const std::size_t i : fewest) kept.recording->exchange(i, row[i]);
  } catch (const Error&) {  // it is neither this row nor the one before
    drop(alike, nearest);
    return false;
  }
  for (const std::size_t i : fewest) kept.works[i] = row[i];
  counters_.exchanged += fewest.size();
  std::rotate(alike.begin(), alike.begin() + static_cast<std::ptrdiff_t>(nearest),
              alike.begin() + static_cast<std::ptrdiff_t>(nearest) + 1);
  return true;
}

// Records the row, as the first one.
bool Replay::keep(Kind& kind, const Row& row) {
  if (!pays()) return false;
  std::vector<Kept>& alike = kind.alike;
  if (alike.size() >= kMostAlike) drop(alike, alike.size() - 1);
  std::unique_ptr<Recording> recording = device_->record(row);
  if (!recording) {
    refuse(kind);
    return false;
  }
  ++counters_.recordings;
  ++kept_;
  alike.insert(alike.begin(), Kept{row, std::move(recording)});
  return true;
}

// The first one. False where it could not be launched.
bool Replay::run(Kind& kind) {
  std::vector<Kept>& alike = kind.alike;
  try {
    alike.front().recording->run();
  } catch (const Error&) {  // trouble of the device itself shows again in what is queued next
    drop(alike, 0);
    refuse(kind);
    return false;
  }
  ++counters_.runs;
  counters_.replayed += alike.front().works.size();
  return true;
}

// What a library does not let itself be recorded in once it does not the next time either; the rest goes on.
void Replay::refuse(Kind& kind) {
  kind.refused = true;
  ++failures_;
}

// Not while the device runs it.
void Replay::drop(std::vector<Kept>& alike, std::size_t i) {
  device_->synchronize();
  alike.erase(alike.begin() + static_cast<std::ptrdiff_t>(i));
  --kept_;
}

// One recording takes the time of some launches of its row: where rows do not come again, no more are made.
bool Replay::pays() const {
  constexpr std::size_t kTrials = 256, kRuns = 8;
  return failures_ < kMostFailures &&
         (counters_.recordings < kTrials || counters_.runs > kRuns * counters_.recordings);
}

void Replay::queue_alone(const Row& row) {
  counters_.alone += row.size();
  for (const Work& work : row) queue(*device_, work);
}

void Replay::forget() {
  device_->synchronize();
  known_.clear();
  kept_ = 0;
}

}  // namespace duet::cuda
