#include "common/pool_metrics.h"

#include <prometheus/metric_family.h>

#include <string>
#include <utility>

namespace paddock {
namespace {

prometheus::MetricFamily Gauges(std::string name, std::string help) {
  prometheus::MetricFamily family;
  family.name = std::move(name);
  family.help = std::move(help);
  family.type = prometheus::MetricType::Gauge;
  return family;
}

void Add(const ThreadPool& pool, size_t value, prometheus::MetricFamily* family) {
  prometheus::ClientMetric metric;
  metric.label.push_back({"pool", pool.name()});
  metric.gauge.value = static_cast<double>(value);
  family->metric.push_back(std::move(metric));
}

}  // namespace

PoolMetrics::PoolMetrics(std::vector<const ThreadPool*> pools) : pools_(std::move(pools)) {}

std::vector<prometheus::MetricFamily> PoolMetrics::Collect() const {
  prometheus::MetricFamily threads = Gauges("paddock_pool_threads", "Threads of the pool.");
  prometheus::MetricFamily busy = Gauges("paddock_pool_busy_threads", "Threads that work.");
  prometheus::MetricFamily queued = Gauges("paddock_pool_queued_tasks", "Tasks that wait.");
  for (const ThreadPool* pool : pools_) {
    Add(*pool, pool->threads(), &threads);
    Add(*pool, pool->busy(), &busy);
    Add(*pool, pool->queued(), &queued);
  }
  return {std::move(threads), std::move(busy), std::move(queued)};
}

}  // namespace paddock
