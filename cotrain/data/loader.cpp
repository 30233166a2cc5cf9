#include "cotrain/data/loader.h"

#include <algorithm>
#include <chrono>
#include <system_error>

#include "engine/core/errors.h"

namespace duet {

BatchMaker batch_maker(const Backend& backend, const SamplerConfig& config,
                       const std::vector<LoadedCase>& labelled, const std::vector<LoadedCase>& unlabelled) {
  return {[&backend, config] { return empty_batch(backend, config); },
          [config, &labelled, &unlabelled](Batch& batch, std::uint32_t step) {
            fill_batch(batch, config, labelled, unlabelled, step);
          }};
}

LoaderConfig loader_config(Index threads) { return {threads, std::max<Index>(2, threads)}; }

BatchLoader::BatchLoader(BatchMaker maker, Index first, Index last, const LoaderConfig& config)
    : maker_(std::move(maker)), next_(first), last_(last), ahead_(config.ahead) {
  DUET_CHECK(config.threads >= 0 && config.ahead >= 1, "BatchLoader: ", config.threads, " threads, ",
             config.ahead, " batches ahead");
  const Index useful = std::min({config.threads, config.ahead, last - first});
  try {
    for (Index i = 0; i < useful; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {  // the system gives no more: the same batches come from fewer threads
  }
}

BatchLoader::~BatchLoader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  queued_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void BatchLoader::queue_before(Index end) {
  for (Index step = next_ + static_cast<Index>(jobs_.size()); step < std::min(end, last_); ++step) {
    Job job;
    job.step = static_cast<std::uint32_t>(step);
    job.batch = maker_.empty();
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
      ++untaken_;
    }
    queued_.notify_one();
  }
}

Batch BatchLoader::next() {
  DUET_CHECK(next_ < last_, "BatchLoader: asked for step ", next_, ", expected steps below ", last_);
  const auto start = std::chrono::steady_clock::now();
  Job job;
  if (threads_.empty()) {
    job.step = static_cast<std::uint32_t>(next_++);
    job.batch = maker_.empty();
    maker_.fill(job.batch, job.step);
  } else {
    queue_before(next_ + ahead_ + 1);  // beyond the one that leaves now
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [&] { return jobs_.front().done; });
    job = std::move(jobs_.front());
    jobs_.pop_front();
    ++next_;
  }
  waiting_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (job.failure) std::rethrow_exception(job.failure);
  return std::move(job.batch);
}

bool BatchLoader::is_ready() {
  if (next_ >= last_ || threads_.empty()) return false;
  const std::lock_guard lock(mutex_);
  return !jobs_.empty() && jobs_.front().done && !jobs_.front().failure;
}

void BatchLoader::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    queued_.wait(lock, [&] { return stop_ || untaken_ > 0; });
    if (stop_) return;
    Job& job = jobs_[jobs_.size() - untaken_--];
    lock.unlock();
    try {
      maker_.fill(job.batch, job.step);
    } catch (...) {
      job.failure = std::current_exception();
    }
    lock.lock();
    job.done = true;
    filled_.notify_one();
  }
}

}  // namespace duet
