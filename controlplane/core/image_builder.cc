#include "controlplane/core/image_builder.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "common/await_for.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

constexpr absl::Duration kPassInterval = absl::Milliseconds(500);
constexpr absl::Duration kLostInterval = absl::Seconds(1);
constexpr absl::Duration kExpireInterval = absl::Seconds(30);
constexpr absl::Duration kViewAge = absl::Milliseconds(50);
constexpr absl::Duration kDoubtFor = absl::Seconds(15);
constexpr absl::Duration kFirstDelay = absl::Seconds(1);
constexpr absl::Duration kMaxDelay = absl::Seconds(30);
constexpr int kIdleLimit = 200;
constexpr int kExpireLimit = 2000;
constexpr int kPlanAttempts = 5;
// Claims of one layer that led to nothing, for whatever reason of nodes or replicas.
constexpr int kMaxAttempts = 10;
constexpr char kParentMissing[] = "PARENT_MISSING";

LayerOrder OrderOf(const Environment& environment, const ImagePlan& plan,
                   const std::string& build_id, const Settings& settings) {
  LayerOrder order;
  order.build_id = build_id;
  order.cache_key = plan.cache_key;
  order.base_image = plan.base_image;
  order.parent = plan.parent;
  order.manager = plan.step.manager;
  order.toolchain = plan.step.toolchain;
  order.specs = plan.step.specs;
  order.network = BuildPolicyOf(environment.config);
  order.limits = settings.build_limits;
  order.timeout = settings.build_timeout;
  return order;
}

Layer LayerOf(const LayerOrder& order, const BuiltLayer& built) {
  Layer layer;
  layer.cache_key = order.cache_key;
  layer.digest = built.digest;
  layer.parent = order.parent.empty() ? order.base_image : order.parent;
  layer.manager = order.manager;
  layer.toolchain = order.toolchain;
  layer.size_bytes = built.size_bytes;
  layer.build_duration = built.duration;
  layer.registry_hosts = built.registry_hosts;
  layer.other_hosts = built.other_hosts;
  // A node sees only what a limited network lets through.
  for (std::string& host : HostsNamedBy(order.specs)) {
    const std::vector<std::string>& seen = built.other_hosts;
    if (std::find(seen.begin(), seen.end(), host) == seen.end()) {
      layer.other_hosts.push_back(std::move(host));
    }
  }
  return layer;
}

ImageFailure FailureOf(const LayerOrder& order, const char* reason, absl::string_view message) {
  ImageFailure failure;
  failure.manager = order.manager;
  failure.reason = reason;
  failure.message = std::string(message);
  return failure;
}

}  // namespace

ImageBuilder::ImageBuilder(const Deps& deps, const Settings& settings)
    : deps_(deps),
      settings_(settings),
      holder_(NewId("replica_", deps.clock->Now())),
      losses_({deps.store, deps.view, deps.hub, this, deps.wake_reconciler},
              settings.images_can_be_pulled) {}

ImageBuilder::~ImageBuilder() { StopPasses(); }

void ImageBuilder::Start() {
  thread_ = std::thread([this] { Run(); });
}

void ImageBuilder::StopPasses() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void ImageBuilder::Run() {
  bool failed = false;
  while (true) {
    const absl::Status status = Pass();
    if (!status.ok() && !failed) LogWarning("image builder", {{"error", status.ToString()}});
    failed = !status.ok();
    absl::MutexLock lock(&mutex_);
    AwaitFor(&mutex_, absl::Condition(&ending_), kPassInterval);
    if (ending_) return;
  }
}

absl::Status ImageBuilder::Pass() {
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<EnvironmentId> idle, deps_.store->Idle(kIdleLimit));
  deps_.metrics->SetImagesWaiting(idle.size());
  for (const EnvironmentId& id : idle) Kick(id);
  const absl::Duration now = deps_.clock->Monotonic();
  if (now - last_lost_ >= kLostInterval) {
    last_lost_ = now;
    PADDOCK_RETURN_IF_ERROR(losses_.Look());
  }
  if (now - last_expire_ < kExpireInterval) return absl::OkStatus();
  last_expire_ = now;
  return deps_.store->Expire(kExpireLimit).status();
}

void ImageBuilder::Missing(const SessionId& id, int64_t generation) {
  deps_.executor->Run([this, id, generation] { losses_.Missing(id, generation); });
}

void ImageBuilder::Kick(const EnvironmentId& id) {
  {
    absl::MutexLock lock(&mutex_);
    if (ending_) return;
    const auto [turn, is_new] = turns_.emplace(id, Turn());
    turn->second.again = !is_new;
    if (!is_new) return;
  }
  deps_.executor->Run([this, id] { TakeTurn(id); });
}

void ImageBuilder::Recheck() {
  std::vector<std::shared_ptr<LayerBuild>> builds;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, build] : builds_) builds.push_back(build);
  }
  for (const auto& build : builds) build->Recheck();
}

void ImageBuilder::TakeTurn(const EnvironmentId& id) {
  bool again = true;
  while (again) {
    const absl::Status status = Advance(id);
    if (!status.ok() && !absl::IsNotFound(status)) {
      LogWarning("image", {{"environment_id", id.value()}, {"error", status.ToString()}});
    }
    absl::MutexLock lock(&mutex_);
    const auto turn = turns_.find(id);
    again = turn->second.again && !ending_;
    turn->second.again = false;
    if (!again) turns_.erase(turn);
  }
}

absl::Status ImageBuilder::Advance(const EnvironmentId& id) {
  absl::Duration view_age = kViewAge;
  // Somebody else may change the layers between a look and a claim.
  for (int i = 0; i < kPlanAttempts; ++i) {
    PADDOCK_ASSIGN_OR_RETURN(const Environment environment, deps_.store->Find(id));
    if (!IsUnsettled(environment.image) ||
        !std::holds_alternative<CloudConfig>(environment.config)) {
      return absl::OkStatus();
    }
    PADDOCK_RETURN_IF_ERROR(deps_.view->RefreshIfOlder(view_age));
    PADDOCK_ASSIGN_OR_RETURN(
        const ImagePlan plan,
        PlanImage(
            environment, *deps_.view->Get(), settings_.images_can_be_pulled,
            [this](const NodeId& node) { return IsDoubtful(node); },
            [this](const std::string& key) { return deps_.store->Layers(key); }));
    if (plan.kind == ImagePlan::Kind::kBuild && plan.known_layers > 0 &&
        view_age > absl::ZeroDuration()) {
      // There is such a layer, maybe newer than the view that shows no node with it.
      view_age = absl::ZeroDuration();
      continue;
    }
    absl::Status status;
    switch (plan.kind) {
      case ImagePlan::Kind::kReady:
        status = Settle(environment, plan);
        break;
      case ImagePlan::Kind::kBuild:
        status = Claim(environment, plan);
        break;
      case ImagePlan::Kind::kWait:
        return absl::OkStatus();
    }
    if (!absl::IsAborted(status)) return status;
  }
  return absl::OkStatus();
}

absl::Status ImageBuilder::Settle(const Environment& environment, const ImagePlan& plan) {
  PADDOCK_ASSIGN_OR_RETURN(
      const bool settled,
      deps_.store->Settle(environment.id, environment.image.generation, plan.layers));
  if (!settled) return absl::OkStatus();
  LogInfo("image ready", {{"environment_id", environment.id.value()},
                          {"digest", plan.layers.empty() ? "" : plan.layers.back().digest}});
  Tell({environment.id});
  deps_.wake_reconciler();
  return absl::OkStatus();
}

// ABORTED: plan again.
absl::Status ImageBuilder::Claim(const Environment& environment, const ImagePlan& plan) {
  BuildClaim claim;
  claim.environment_id = environment.id;
  claim.generation = environment.image.generation;
  claim.cache_key = plan.cache_key;
  claim.build_id = NewId("build_", deps_.clock->Now());
  claim.manager = plan.step.manager;
  claim.holder = holder_;
  claim.ttl = settings_.build_lease;
  claim.max_on_node = settings_.max_builds_per_node;
  claim.known_layers = plan.known_layers;
  for (const Node& node : plan.nodes) {
    claim.node = node.id;
    PADDOCK_ASSIGN_OR_RETURN(const ImageStore::ClaimResult result, deps_.store->Claim(claim));
    switch (result.outcome) {
      case ImageStore::ClaimOutcome::kClaimed:
        Tell({environment.id});
        Build(environment, plan, node, claim.build_id, result.attempt);
        return absl::OkStatus();
      case ImageStore::ClaimOutcome::kJoined:
        Tell({environment.id});
        return absl::OkStatus();
      case ImageStore::ClaimOutcome::kNodeBusy:
        break;
      case ImageStore::ClaimOutcome::kChanged:
        return absl::AbortedError("the layers changed");
      case ImageStore::ClaimOutcome::kMovedOn:
        return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

void ImageBuilder::Build(const Environment& environment, const ImagePlan& plan, const Node& node,
                         const std::string& build_id, int attempt) {
  LogInfo("build started", {{"build_id", build_id},
                            {"environment_id", environment.id.value()},
                            {"manager", plan.step.manager},
                            {"toolchain", plan.step.toolchain},
                            {"node_id", node.id.value()}});
  const LayerBuild::Deps deps = {deps_.store, deps_.client, deps_.executor, deps_.timers,
                                 deps_.hub,   deps_.clock,  deps_.metrics};
  // Found again by its id, so that build and callback don't own each other.
  auto build = std::make_shared<LayerBuild>(
      deps, NodeTarget{node.id, node.address}, OrderOf(environment, plan, build_id, settings_),
      settings_.build_lease,
      [this, build_id, attempt](LayerBuild::Ending ending,
                                const absl::StatusOr<BuildOutcome>& outcome) {
        std::shared_ptr<LayerBuild> ended;
        {
          absl::MutexLock lock(&mutex_);
          ended = std::move(builds_[build_id]);
          builds_.erase(build_id);
          deps_.metrics->SetBuildsUnderWay(builds_.size());
        }
        Ended(ended, attempt, ending, outcome);
      });
  {
    absl::MutexLock lock(&mutex_);
    builds_[build_id] = build;
    deps_.metrics->SetBuildsUnderWay(builds_.size());
  }
  build->Start();
}

void ImageBuilder::Ended(const std::shared_ptr<LayerBuild>& build, int attempt,
                         LayerBuild::Ending ending, const absl::StatusOr<BuildOutcome>& outcome) {
  const LayerOrder& order = build->order();
  absl::Status status;
  switch (ending) {
    case LayerBuild::Ending::kLost:
      Count(*build, "lost");
      return;
    case LayerBuild::Ending::kUnneeded:
      Count(*build, "cancelled");
      status = deps_.store->Release(order.cache_key, order.build_id, absl::ZeroDuration(), 0);
      break;
    case LayerBuild::Ending::kAnswered:
      if (!outcome.ok()) {
        status = TryAgain(*build, attempt, outcome.status());
      } else if (const auto* built = std::get_if<BuiltLayer>(&*outcome)) {
        status = Committed(*build, *built);
      } else {
        status = Failed(*build, attempt, std::get<ImageFailure>(*outcome));
      }
      break;
  }
  if (status.ok()) return;
  // Its lease expires, and then somebody goes on.
  LogWarning("build not recorded", {{"build_id", order.build_id}, {"error", status.ToString()}});
}

absl::Status ImageBuilder::Committed(const LayerBuild& build, const BuiltLayer& built) {
  const LayerOrder& order = build.order();
  PADDOCK_ASSIGN_OR_RETURN(
      const std::vector<EnvironmentId> waiting,
      deps_.store->Commit(LayerOf(order, built), order.build_id, build.node().id));
  Count(build, "built");
  LogInfo("layer built", {{"build_id", order.build_id},
                          {"manager", order.manager},
                          {"digest", built.digest},
                          {"seconds", absl::ToDoubleSeconds(built.duration)},
                          {"images_waiting", static_cast<int64_t>(waiting.size())}});
  (void)deps_.view->RefreshIfOlder(absl::ZeroDuration());
  for (const EnvironmentId& id : waiting) Kick(id);
  return absl::OkStatus();
}

absl::Status ImageBuilder::Failed(const LayerBuild& build, int attempt,
                                  const ImageFailure& failure) {
  const LayerOrder& order = build.order();
  if (failure.reason == kParentMissing) {
    PADDOCK_RETURN_IF_ERROR(deps_.store->ForgetImage(build.node().id, order.parent));
    (void)deps_.view->RefreshIfOlder(absl::ZeroDuration());
    return TryAgain(build, attempt, absl::UnavailableError("the node lacks the layer below"));
  }
  PADDOCK_ASSIGN_OR_RETURN(const std::vector<EnvironmentId> concerned,
                           deps_.store->Fail(order.cache_key, order.build_id, failure));
  Count(build, "failed");
  LogInfo("build failed", {{"build_id", order.build_id},
                           {"manager", order.manager},
                           {"package", failure.package},
                           {"reason", failure.reason},
                           {"exit_code", static_cast<int64_t>(failure.exit_code)}});
  Tell(concerned);
  for (const EnvironmentId& id : concerned) Kick(id);
  return absl::OkStatus();
}

// The node or the way to it is at fault.
absl::Status ImageBuilder::TryAgain(const LayerBuild& build, int attempt, const absl::Status& why) {
  const LayerOrder& order = build.order();
  if (absl::IsDeadlineExceeded(why)) {
    return Failed(build, attempt, FailureOf(order, "TIMED_OUT", "The build took too long."));
  }
  if (absl::IsInvalidArgument(why) || absl::IsUnimplemented(why)) {
    return Failed(build, attempt, FailureOf(order, "NODE_FAILED", why.message()));
  }
  if (attempt >= kMaxAttempts) {
    return Failed(build, attempt, FailureOf(order, "NODE_FAILED", why.message()));
  }
  Count(build, "retried");
  const bool busy = absl::IsResourceExhausted(why);
  const bool handed_on = absl::IsCancelled(why);
  if (!busy && !handed_on) Doubt(build.node().id);
  LogWarning("build is tried again", {{"build_id", order.build_id},
                                      {"node_id", build.node().id.value()},
                                      {"attempt", static_cast<int64_t>(attempt)},
                                      {"error", why.ToString()}});
  absl::Duration delay = std::min(kMaxDelay, kFirstDelay * (1 << std::min(attempt - 1, 10)));
  if (busy) delay = kFirstDelay;
  if (handed_on) delay = absl::ZeroDuration();
  return deps_.store->Release(order.cache_key, order.build_id, delay, busy ? attempt - 1 : attempt);
}

void ImageBuilder::Count(const LayerBuild& build, absl::string_view outcome) {
  deps_.metrics->CountBuild(build.order().manager, outcome);
  deps_.metrics->ObserveBuild(build.order().manager, outcome, build.age());
}

void ImageBuilder::Tell(const std::vector<EnvironmentId>& environments) {
  for (const EnvironmentId& id : environments) {
    deps_.hub->Notify(WatchKind::kEnvironment, id.value());
  }
}

bool ImageBuilder::IsDoubtful(const NodeId& node) {
  const absl::Duration now = deps_.clock->Monotonic();
  absl::MutexLock lock(&mutex_);
  const auto found = doubtful_until_.find(node);
  if (found == doubtful_until_.end()) return false;
  if (found->second > now) return true;
  doubtful_until_.erase(found);
  return false;
}

void ImageBuilder::Doubt(const NodeId& node) {
  const absl::Duration until = deps_.clock->Monotonic() + kDoubtFor;
  absl::MutexLock lock(&mutex_);
  doubtful_until_[node] = until;
}

}  // namespace paddock
