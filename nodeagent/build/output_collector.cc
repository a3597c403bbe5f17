#include "nodeagent/build/output_collector.h"

#include <utility>

#include "common/await_for.h"

namespace paddock::nodeagent {

OutputCollector::Event OutputCollector::Next(absl::Duration patience) {
  Event event;
  absl::MutexLock lock(&mutex_);
  AwaitFor(&mutex_, absl::Condition(this, &OutputCollector::HasNext), patience);
  if (output_.has_value()) {
    event.output = std::exchange(output_, std::nullopt);
    event.stream = stream_;
  } else {
    event.end = end_;
  }
  return event;
}

void OutputCollector::OnOutput(OutputStream stream, std::string data) {
  absl::MutexLock lock(&mutex_);
  output_ = std::move(data);
  stream_ = stream;
}

void OutputCollector::OnExited(const ExecExit& exit) {
  absl::MutexLock lock(&mutex_);
  end_ = exit;
}

void OutputCollector::OnFailed(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  end_ = status;
}

}  // namespace paddock::nodeagent
