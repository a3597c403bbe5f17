#include "nodeagent/build/layer_builder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/await_for.h"
#include "common/errors.h"
#include "common/ids.h"
#include "common/log.h"
#include "nodeagent/image/layer_manifest.h"

namespace paddock::nodeagent {
namespace {

// How soon a build that waits for its turn notices that nobody wants it any more.
constexpr absl::Duration kWaitTurn = absl::Milliseconds(200);
constexpr absl::Duration kRetryAfter = absl::Seconds(30);
constexpr size_t kMaxKeyBytes = 256;

absl::Status Validate(const BuildSpec& spec) {
  if (spec.cache_key.empty() || spec.cache_key.size() > kMaxKeyBytes) {
    return errors::InvalidField("cache_key", "must have 1 to 256 characters");
  }
  if (!IsDigest(spec.image())) {
    return errors::InvalidField("base_image", "must be a digest");
  }
  if (spec.network.policy.kind == NetworkPolicy::Kind::kNone) {
    return errors::InvalidField("network", "can't be read by this node");
  }
  const SandboxLimits& limits = spec.limits;
  if (limits.cpu_millis <= 0 || limits.memory_bytes <= 0 || limits.disk_bytes <= 0 ||
      limits.pids <= 0) {
    return errors::InvalidField("limits", "must be positive");
  }
  return PlanPackages({spec.manager, spec.toolchain, spec.specs, ""}).status();
}

}  // namespace

LayerBuilder::LayerBuilder(const LayerBuilderOptions& options, const BuildResources& resources,
                           BuildMetrics* metrics)
    : options_(options), resources_(resources), metrics_(metrics) {}

LayerBuilder::~LayerBuilder() { Stop(); }

void LayerBuilder::Stop() {
  std::vector<Job*> jobs;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [id, job] : jobs_) jobs.push_back(job.get());
  }
  for (Job* job : jobs) job->control->Cancel();
  for (Job* job : jobs) {
    if (job->thread.joinable()) job->thread.join();
  }
}

absl::Status LayerBuilder::Start(BuildSpec spec, std::shared_ptr<BuildControl> control,
                                 BuildObserver* observer) {
  if (absl::Status status = Validate(spec); !status.ok()) return status;
  if (spec.timeout <= absl::ZeroDuration()) spec.timeout = options_.default_timeout;
  spec.timeout = std::min(spec.timeout, options_.max_timeout);
  JoinEnded();
  auto job = std::make_unique<Job>();
  job->spec = std::move(spec);
  job->control = std::move(control);
  job->observer = observer;
  job->sandbox_id = NewId(kBuildPrefix, resources_.clock->Now());
  absl::MutexLock lock(&mutex_);
  if (stopping_) return errors::ShuttingDown();
  if (static_cast<int>(jobs_.size()) >= options_.max_running + options_.max_waiting) {
    return errors::Overloaded("package builds of this node", kRetryAfter);
  }
  Job* const begun = (jobs_[job->sandbox_id] = std::move(job)).get();
  Measure();
  begun->thread = std::thread([this, begun] { Run(begun); });
  return absl::OkStatus();
}

bool LayerBuilder::MayRun(const Job& job) const {
  int running = 0;
  for (const auto& [id, other] : jobs_) {
    if (other.get() == &job || other->ended) continue;
    if (other->has_slot) ++running;
    // One that came earlier goes first; of the same key also one that runs.
    const bool earlier = other->sandbox_id < job.sandbox_id;
    const bool same_key = other->spec.cache_key == job.spec.cache_key;
    if (same_key && (earlier || other->has_slot)) return false;
  }
  return running < options_.max_running;
}

bool LayerBuilder::AwaitSlot(Job* job) {
  absl::MutexLock lock(&mutex_);
  const auto may_run = [this, job]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return MayRun(*job); };
  while (!AwaitFor(&mutex_, absl::Condition(&may_run), kWaitTurn)) {
    if (job->control->cancelled()) return false;
  }
  job->has_slot = true;
  Measure();
  return true;
}

void LayerBuilder::Run(Job* job) {
  absl::StatusOr<LayerBuild::Outcome> outcome = errors::Cancelled();
  const BuildSpec& spec = job->spec;
  absl::Duration begun = absl::InfiniteDuration();
  if (AwaitSlot(job)) {
    begun = resources_.clock->Monotonic();
    LogInfo("building a layer", {{"build_id", spec.build_id},
                                 {"sandbox", job->sandbox_id},
                                 {"manager", spec.manager},
                                 {"toolchain", spec.toolchain},
                                 {"packages", spec.specs.size()}});
    LayerBuild build(&resources_, spec, job->sandbox_id, job->control.get(), job->observer);
    outcome = build.Run();
  }
  const absl::Duration took = resources_.clock->Monotonic() - begun;
  const std::string result = Tell(job, outcome);
  if (metrics_ != nullptr && took >= absl::ZeroDuration()) {
    metrics_->CountEnd(spec.manager, result, took);
  }
  absl::MutexLock lock(&mutex_);
  job->has_slot = false;
  job->ended = true;
  Measure();
}

std::string LayerBuilder::Tell(Job* job, const absl::StatusOr<LayerBuild::Outcome>& outcome) {
  const std::string& build_id = job->spec.build_id;
  if (!outcome.ok()) {
    LogWarning("a build ended early",
               {{"build_id", build_id}, {"error", outcome.status().ToString()}});
    job->observer->OnError(outcome.status());
    return absl::IsCancelled(outcome.status()) ? "cancelled" : "error";
  }
  if (const auto* layer = std::get_if<Layer>(&*outcome)) {
    LogInfo("a layer is ready",
            {{"build_id", build_id}, {"digest", layer->digest}, {"bytes", layer->size_bytes}});
    if (resources_.on_built != nullptr) resources_.on_built(*layer);
    job->observer->OnBuilt(*layer);
    return "built";
  }
  const auto& failure = std::get<BuildFailure>(*outcome);
  LogInfo("a build failed", {{"build_id", build_id},
                             {"reason", failure.reason},
                             {"package", failure.package},
                             {"exit_code", failure.exit_code}});
  job->observer->OnFailure(failure);
  return failure.reason;
}

void LayerBuilder::Measure() {
  if (metrics_ == nullptr) return;
  int running = 0;
  int waiting = 0;
  for (const auto& [id, job] : jobs_) {
    if (!job->ended) ++(job->has_slot ? running : waiting);
  }
  metrics_->SetNow(running, waiting);
}

void LayerBuilder::JoinEnded() {
  std::vector<std::unique_ptr<Job>> ended;
  {
    absl::MutexLock lock(&mutex_);
    for (auto job = jobs_.begin(); !stopping_ && job != jobs_.end();) {
      if (job->second->ended) {
        ended.push_back(std::move(job->second));
        job = jobs_.erase(job);
      } else {
        ++job;
      }
    }
  }
  for (const auto& job : ended) job->thread.join();
}

std::set<std::string> LayerBuilder::ImagesInUse() const {
  std::set<std::string> images;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, job] : jobs_) {
    if (!job->ended) images.insert(job->spec.image());
  }
  return images;
}

int LayerBuilder::running() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(std::count_if(jobs_.begin(), jobs_.end(), [](const auto& entry) {
    return entry.second->has_slot && !entry.second->ended;
  }));
}

}  // namespace paddock::nodeagent
