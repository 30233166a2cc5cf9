// Batches made beside the step: threads fill those of the next steps while the networks work on this one, so
// that a step finds its batch ready. Called by the trainer and the dry run. Always: the batches are those
// that make_batch would give, in the order of the steps, whatever the threads do; and memory is asked for in
// the consumer's thread alone, so that the allocator sees one sequence of requests and stands still with the
// steps.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "cotrain/data/sampler.h"

namespace duet {

struct BatchMaker {
  std::function<Batch()> empty;                                // called in the consumer's thread
  std::function<void(Batch& batch, std::uint32_t step)> fill;  // called in any thread, in several at a time
};

// empty_batch and fill_batch; backend and cases must outlive the maker.
BatchMaker batch_maker(const Backend& backend, const SamplerConfig& config,
                       const std::vector<LoadedCase>& labelled, const std::vector<LoadedCase>& unlabelled);

struct LoaderConfig {
  Index threads = 1;  // 0: next() makes the batch itself
  Index ahead =
      2;  // batches made or being made in front of the consumer; threads beyond it would have no work
};

// The settings of a run with `training.loading_threads` = threads: at least two ahead, and work for each
// thread.
LoaderConfig loader_config(Index threads);

class BatchLoader {
 public:
  // Of the steps first, first + 1, ..., last - 1. The first call of next() sets the threads to work.
  BatchLoader(BatchMaker maker, Index first, Index last, const LoaderConfig& config);
  // Waits for the batches being filled now, at most one a thread; starts no other.
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // The batch of the next step. What its making threw is thrown here, at its turn; the call after that is for
  // the step after that.
  Batch next();

  // Whether there is a next step, and its batch is made: next() would neither wait nor throw.
  bool is_ready();

  double seconds_waiting() const { return waiting_; }  // of all calls of next()

 private:
  struct Job {
    std::uint32_t step = 0;
    Batch batch;
    std::exception_ptr failure;
    bool done = false;
  };

  void queue_before(Index end);  // queues what is missing of the steps before `end`
  void work();                   // of one thread

  BatchMaker maker_;
  Index next_, last_, ahead_;
  double waiting_ = 0;

  std::mutex mutex_;  // guards what follows, but for the job a thread is filling
  std::condition_variable queued_, filled_;
  std::deque<Job> jobs_;     // steps next_, next_ + 1, ...; adding and taking at the ends moves no other job
  std::size_t untaken_ = 0;  // jobs at the end that no thread has begun
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace duet
