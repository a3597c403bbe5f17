#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "common/thread_pool.h"

namespace paddock {

// `paddock_pool_threads`, `paddock_pool_busy_threads` and `paddock_pool_queued_tasks`, each with
// the label `pool`, read when they are asked for. Thread-safe; the pools must outlive it.
class PoolMetrics final : public prometheus::Collectable {
 public:
  explicit PoolMetrics(std::vector<const ThreadPool*> pools);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::vector<const ThreadPool*> pools_;
};

}  // namespace paddock
