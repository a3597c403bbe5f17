#include "tests/fakes/controlplane/fake_image_store.h"

#include <algorithm>

#include "common/errors.h"
#include "common/status_macros.h"

namespace paddock {

absl::StatusOr<std::vector<EnvironmentId>> FakeImageStore::Idle(int limit) {
  absl::MutexLock lock(&mutex_);
  std::vector<EnvironmentId> idle;
  for (const Environment& environment : environments_->All()) {
    if (!IsUnsettled(environment.image) || static_cast<int>(idle.size()) == limit) continue;
    const auto key = keys_.find(environment.id);
    if (key != keys_.end() && key->second.first == environment.image.generation) {
      const auto build = builds_.find(key->second.second);
      if (build != builds_.end() && build->second.expires_at > clock_->Now()) continue;
    }
    idle.push_back(environment.id);
  }
  return idle;
}

absl::StatusOr<Environment> FakeImageStore::Find(const EnvironmentId& id) {
  for (Environment& environment : environments_->All()) {
    if (environment.id == id) return std::move(environment);
  }
  return errors::EnvironmentNotFound(id.value());
}

absl::StatusOr<std::vector<Layer>> FakeImageStore::Layers(const std::string& cache_key) {
  absl::MutexLock lock(&mutex_);
  return layers_[cache_key];
}

absl::StatusOr<ImageStore::ClaimResult> FakeImageStore::Claim(const BuildClaim& claim) {
  absl::MutexLock lock(&mutex_);
  const absl::StatusOr<Environment> environment = Find(claim.environment_id);
  if (!environment.ok() || environment->image.generation != claim.generation ||
      !IsUnsettled(environment->image)) {
    return ClaimResult{ClaimOutcome::kMovedOn, 0};
  }
  const absl::Time now = clock_->Now();
  auto found = builds_.find(claim.cache_key);
  ClaimResult result{ClaimOutcome::kJoined, 0};
  if (found == builds_.end() || found->second.expires_at <= now) {
    if (static_cast<int>(layers_[claim.cache_key].size()) != claim.known_layers) {
      return ClaimResult{ClaimOutcome::kChanged, 0};
    }
    const auto on_node = std::count_if(builds_.begin(), builds_.end(), [&](const auto& build) {
      return build.first != claim.cache_key && build.second.held && build.second.expires_at > now &&
             build.second.claim.node == claim.node;
    });
    if (on_node >= claim.max_on_node) return ClaimResult{ClaimOutcome::kNodeBusy, 0};
    Build& build = builds_[claim.cache_key];
    build.claim = claim;
    build.held = true;
    ++build.attempts;
    build.started_at = now;
    build.expires_at = now + claim.ttl;
    found = builds_.find(claim.cache_key);
    result = {ClaimOutcome::kClaimed, build.attempts};
  }
  keys_[claim.environment_id] = {claim.generation, claim.cache_key};
  const Build build = found->second;
  if (!build.held) return result;
  Change(claim.environment_id, claim.generation, [&](EnvironmentImage* image) {
    image->state = ImageState::kBuilding;
    image->building_manager = claim.manager;
    image->building_since = build.started_at;
    for (const BuildReference& other : image->builds) {
      if (other.build_id == build.claim.build_id) return;
    }
    image->builds.push_back({build.claim.build_id, claim.manager});
  });
  return result;
}

absl::StatusOr<ImageStore::Renewal> FakeImageStore::Renew(const std::string& cache_key,
                                                          const std::string& build_id,
                                                          absl::Duration ttl) {
  absl::MutexLock lock(&mutex_);
  Build* build = Own(cache_key, build_id);
  if (build == nullptr || !build->held) return Renewal{};
  build->expires_at = clock_->Now() + ttl;
  return Renewal{true, !WaitingFor(cache_key).empty()};
}

absl::StatusOr<std::vector<EnvironmentId>> FakeImageStore::Commit(const Layer& layer,
                                                                  const std::string& build_id,
                                                                  const NodeId& node) {
  absl::MutexLock lock(&mutex_);
  if (Own(layer.cache_key, build_id) == nullptr) return absl::AbortedError("lost");
  builds_.erase(layer.cache_key);
  Layer stored = layer;
  stored.built_at = clock_->Now();
  layers_[layer.cache_key].push_back(stored);
  images_[node].push_back(layer.digest);
  return WaitingFor(layer.cache_key);
}

absl::StatusOr<std::vector<EnvironmentId>> FakeImageStore::Fail(const std::string& cache_key,
                                                                const std::string& build_id,
                                                                const ImageFailure& failure) {
  absl::MutexLock lock(&mutex_);
  const Build* build = Own(cache_key, build_id);
  if (build == nullptr) return absl::AbortedError("lost");
  const BuildClaim claim = build->claim;
  builds_.erase(cache_key);
  std::vector<EnvironmentId> concerned = WaitingFor(cache_key);
  Change(claim.environment_id, claim.generation, [&](EnvironmentImage* image) {
    image->state = ImageState::kFailed;
    image->failure = failure;
    image->building_manager.clear();
    image->building_since.reset();
  });
  return concerned;
}

absl::Status FakeImageStore::Release(const std::string& cache_key, const std::string& build_id,
                                     absl::Duration delay, int attempts) {
  absl::MutexLock lock(&mutex_);
  Build* build = Own(cache_key, build_id);
  if (build == nullptr) return absl::OkStatus();
  build->held = false;
  build->attempts = attempts;
  build->expires_at = clock_->Now() + delay;
  return absl::OkStatus();
}

absl::StatusOr<bool> FakeImageStore::Settle(const EnvironmentId& id, int64_t generation,
                                            const std::vector<Layer>& layers) {
  return Change(id, generation, [&](EnvironmentImage* image) {
    image->state = ImageState::kReady;
    image->building_manager.clear();
    image->building_since.reset();
    for (const Layer& layer : layers) {
      image->layers.push_back({layer.manager, layer.digest, layer.size_bytes, layer.built_at,
                               layer.build_duration, layer.toolchain});
      image->size_bytes += layer.size_bytes;
      image->digest = layer.digest;
    }
  });
}

absl::Status FakeImageStore::ForgetImage(const NodeId& node, const std::string& digest) {
  absl::MutexLock lock(&mutex_);
  auto& images = images_[node];
  images.erase(std::remove(images.begin(), images.end(), digest), images.end());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<EnvironmentId>> FakeImageStore::AppendLog(
    const std::string& cache_key, const std::string& build_id, int64_t first,
    const std::vector<std::string>& lines) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& line : lines) logs_[build_id].emplace(first++, line);
  return WaitingFor(cache_key);
}

absl::StatusOr<ImageStore::LogPart> FakeImageStore::ReadLog(const std::string& build_id,
                                                            int64_t after, int limit) {
  absl::MutexLock lock(&mutex_);
  LogPart part;
  part.last = after;
  const auto& log = logs_[build_id];
  for (auto it = log.upper_bound(after); it != log.end(); ++it) {
    if (static_cast<int>(part.lines.size()) == limit) {
      part.more = true;
      break;
    }
    part.lines.push_back(it->second);
    part.last = it->first;
  }
  return part;
}

std::vector<std::string> FakeImageStore::ImagesOf(const NodeId& node) const {
  absl::MutexLock lock(&mutex_);
  const auto found = images_.find(node);
  return found == images_.end() ? std::vector<std::string>() : found->second;
}

FakeImageStore::Build* FakeImageStore::Own(const std::string& cache_key,
                                           const std::string& build_id) {
  const auto found = builds_.find(cache_key);
  if (found == builds_.end() || found->second.claim.build_id != build_id) return nullptr;
  return &found->second;
}

bool FakeImageStore::Waits(const Environment& environment, const std::string& cache_key) const {
  const auto key = keys_.find(environment.id);
  return IsUnsettled(environment.image) && key != keys_.end() &&
         key->second == std::make_pair(environment.image.generation, cache_key);
}

std::vector<EnvironmentId> FakeImageStore::WaitingFor(const std::string& cache_key) const {
  std::vector<EnvironmentId> waiting;
  for (const Environment& environment : environments_->All()) {
    if (Waits(environment, cache_key)) waiting.push_back(environment.id);
  }
  return waiting;
}

bool FakeImageStore::Change(const EnvironmentId& id, int64_t generation,
                            const std::function<void(EnvironmentImage*)>& change) {
  const absl::StatusOr<Environment> environment = Find(id);
  if (!environment.ok()) return false;
  bool applied = false;
  (void)environments_->Mutate(
      environment->tenant, id, [&](const Environment& stored, bool* changed) {
        Environment next = stored;
        applied = stored.image.generation == generation && IsUnsettled(stored.image);
        *changed = applied;
        if (applied) change(&next.image);
        return next;
      });
  return applied;
}

}  // namespace paddock
