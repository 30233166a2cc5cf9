// Batches where the networks compute. On a device each is uploaded while it works on the one before, from
// memory that it reads by itself; on the CPU they are the loader's own. Called by the trainer.
#pragma once

#include "cotrain/data/loader.h"

namespace duet {

class BatchFeed {
 public:
  // Both must outlive it.
  BatchFeed(Backend& backend, BatchLoader& loader) : backend_(backend), loader_(loader) {}
  // Waits for what is still uploaded, as its memory is given to others.
  ~BatchFeed();
  BatchFeed(const BatchFeed&) = delete;
  BatchFeed& operator=(const BatchFeed&) = delete;

  // The loader's next batch. Between two calls something of the step between them must have been waited for,
  // as scalars are: the memory that its batch was uploaded from is given to another one.
  Batch next();

 private:
  struct Upload {
    Batch staged, batch;  // on the host, on the device; empty before it begins
  };
  Upload begin(Batch staged) const;

  Backend& backend_;
  BatchLoader& loader_;
  Upload present_, coming_;
};

}  // namespace duet
