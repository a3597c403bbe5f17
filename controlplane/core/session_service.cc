#include "controlplane/core/session_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/core/agent_patch.h"
#include "controlplane/core/agent_rules.h"
#include "controlplane/core/create_session_rules.h"
#include "controlplane/core/image_plan.h"
#include "controlplane/core/network_policy.h"
#include "controlplane/core/page_budget.h"
#include "controlplane/core/resource_watch.h"

namespace paddock {
namespace {

// How often a create reads its environment again when that changes meanwhile.
constexpr int kCreateAttempts = 5;
// A view that shows no room is read again unless it is this fresh.
constexpr absl::Duration kFreshView = absl::Milliseconds(20);
// An archive waits for the container's end for so long before it answers STOPPING.
constexpr absl::Duration kArchiveWait = absl::Seconds(15);
// What the image store gives as the reason of sessions that a failed build ends.
constexpr absl::string_view kImageBuildFailed = "IMAGE_BUILD_FAILED";
constexpr size_t kSessionOverhead = 1024;
// Prime, so that successive creates look at different nodes first.
constexpr uint64_t kSeedStep = 7919;

bool IsStarted(SessionPhase phase) {
  return phase == SessionPhase::kRunning || phase == SessionPhase::kStopping ||
         phase == SessionPhase::kTerminated;
}

PlacementNeeds NeedsOf(const Session& session, const Settings& settings) {
  return {session.compute.requests, session.compute.runtime_class, session.compute.node_labels,
          session.image_digest, settings.images_can_be_pulled};
}

ListOrder Opposite(ListOrder order) {
  return order == ListOrder::kNewestFirst ? ListOrder::kOldestFirst : ListOrder::kNewestFirst;
}

std::string ListScope(const Tenant& tenant, const SessionFilter& filter) {
  std::string scope = absl::StrCat("sessions\n", tenant.organization, "\n", tenant.workspace, "\n");
  if (filter.environment_id) absl::StrAppend(&scope, "e", filter.environment_id->value());
  if (filter.agent_id) absl::StrAppend(&scope, "\na", filter.agent_id->value());
  if (filter.agent_version) absl::StrAppend(&scope, "\nv", *filter.agent_version);
  for (SessionPhase phase : filter.phases) absl::StrAppend(&scope, "\ns", SessionPhaseName(phase));
  if (filter.created_after) {
    absl::StrAppend(&scope, "\n>", absl::ToUnixMicros(*filter.created_after));
  }
  if (filter.created_before) {
    absl::StrAppend(&scope, "\n<", absl::ToUnixMicros(*filter.created_before));
  }
  absl::StrAppend(&scope, "\n", filter.archived == Archived::kInclude,
                  filter.order == ListOrder::kNewestFirst);
  return scope;
}

size_t ApproximateSize(const Session& session) {
  size_t size = kSessionOverhead + session.title.value_or("").size() + session.message.size();
  if (session.agent.has_value()) size += paddock::ApproximateSize(*session.agent);
  for (const auto& [key, value] : session.metadata) size += key.size() + value.size() + 8;
  if (const auto* cloud = std::get_if<CloudConfig>(&session.config)) {
    if (const auto* limited = std::get_if<LimitedNetwork>(&cloud->networking)) {
      for (const std::string& host : limited->allowed_hosts) size += host.size() + 4;
    }
    const Packages& packages = cloud->packages;
    for (const auto* specs : {&packages.apt, &packages.cargo, &packages.gem, &packages.go,
                              &packages.npm, &packages.pip}) {
      for (const std::string& spec : *specs) size += spec.size() + 4;
    }
  }
  return size;
}

// Whether a create may have been refused for what its environment was when it was last read.
bool IsAboutEnvironment(const absl::Status& status) {
  return absl::IsAborted(status) || absl::IsNotFound(status) ||
         absl::IsFailedPrecondition(status) || absl::IsUnimplemented(status);
}

absl::Status CheckReachable(const SessionLocation& location) {
  if (location.node_reachable) return absl::OkStatus();
  const absl::Duration silence = absl::Trunc(location.node_silent_for, absl::Seconds(1));
  return errors::NodeUnreachable(location.node.id.value(),
                                 absl::StrCat("no heartbeat for ", absl::FormatDuration(silence)));
}

}  // namespace

SessionService::SessionService(const Deps& deps, const Settings& settings)
    : deps_(deps),
      settings_(settings),
      seed_(static_cast<uint64_t>(absl::ToUnixNanos(deps.clock->Now()))) {}

void SessionService::Create(const Tenant& tenant, CreateSessionRequest request,
                            CreateCallback callback) {
  const absl::Duration began = deps_.clock->Monotonic();
  auto observed = [this, began, as_error = request.failed_image_is_error,
                   callback = std::move(callback)](absl::StatusOr<Session> session) {
    deps_.metrics->ObserveStep("total", deps_.clock->Monotonic() - began);
    deps_.metrics->CountCreate(session.ok() ? SessionPhaseName(session->state)
                                            : absl::StatusCodeToString(session.status().code()));
    if (as_error && session.ok() && session->state == SessionPhase::kTerminated &&
        session->reason == kImageBuildFailed) {
      session = ImageFailureOf(*session);
    }
    callback(std::move(session));
  };
  absl::StatusOr<CreatedSession> created = Store(tenant, request);
  if (!created.ok()) {
    observed(created.status());
    return;
  }
  const absl::Duration placed = deps_.clock->Monotonic();
  deps_.metrics->ObserveStep("place", placed - began);
  std::shared_ptr<PhaseWaiter> waiter =
      MakeWaiter(std::move(created->session), IsStarted, std::move(observed));
  waiter->Begin(request.wait.value_or(settings_.default_wait));
  if (!created->run.has_value()) {
    waiter->Watch();
    return;
  }
  deps_.driver->Start(*created->run,
                      [this, waiter, placed](const absl::StatusOr<TransitionResult>& result) {
                        if (result.ok()) {
                          deps_.metrics->ObserveStep("start", deps_.clock->Monotonic() - placed);
                          waiter->Learn(*result);
                        }
                        // Nothing to wait for any more, or others will go on with it.
                        waiter->Watch();
                      });
}

absl::Status SessionService::ImageFailureOf(const Session& session) {
  PADDOCK_ASSIGN_OR_RETURN(const Environment environment,
                           deps_.environments->Get(session.tenant, session.environment_id));
  PADDOCK_RETURN_IF_ERROR(AdmitSession(environment));
  return errors::ConcurrentChange();  // It is being built again.
}

absl::StatusOr<CreatedSession> SessionService::Store(const Tenant& tenant,
                                                     const CreateSessionRequest& request) {
  PADDOCK_RETURN_IF_ERROR(ValidateCreateSession(request, settings_));
  PADDOCK_ASSIGN_OR_RETURN(std::optional<Session> earlier,
                           deps_.sessions->FindCreated(tenant, request.idempotency));
  if (earlier.has_value()) {
    CreatedSession replay;
    replay.session = *std::move(earlier);
    replay.replayed = true;
    return replay;
  }
  if (const auto environment = remembered_.Find(tenant, request.environment_id)) {
    absl::StatusOr<CreatedSession> created = StoreIn(*environment, tenant, request);
    // Anything else may be said of an environment that has changed.
    if (created.ok() || !IsAboutEnvironment(created.status())) return created;
  }
  absl::StatusOr<CreatedSession> created = errors::ConcurrentChange();
  for (int i = 0; i < kCreateAttempts && absl::IsAborted(created.status()); ++i) {
    PADDOCK_ASSIGN_OR_RETURN(const Environment environment,
                             deps_.environments->Get(tenant, request.environment_id));
    PADDOCK_RETURN_IF_ERROR(AdmitSession(environment));
    PADDOCK_ASSIGN_OR_RETURN(const bool lost, LostImage(environment));
    if (lost) {
      // The next look finds it under way.
      PADDOCK_RETURN_IF_ERROR(deps_.remake_image(environment));
      continue;
    }
    created = StoreIn(environment, tenant, request);
    if (created.ok()) remembered_.Remember(environment);
  }
  return created;
}

absl::StatusOr<CreatedSession> SessionService::StoreIn(const Environment& environment,
                                                       const Tenant& tenant,
                                                       const CreateSessionRequest& request) {
  PADDOCK_RETURN_IF_ERROR(AdmitSession(environment));
  PADDOCK_ASSIGN_OR_RETURN(const bool lost, LostImage(environment));
  if (lost) return errors::ConcurrentChange();
  PADDOCK_ASSIGN_OR_RETURN(NewSession session, Build(tenant, request, environment));
  const std::shared_ptr<RecentCharges> recent = ChooseNodes(&session);
  if (session.candidates.empty()) {
    PADDOCK_RETURN_IF_ERROR(
        CheckRuntimeClass(*deps_.view->Get(), session.session.compute.runtime_class));
  }
  absl::StatusOr<CreatedSession> created = deps_.sessions->Create(session, request.idempotency);
  if (recent == nullptr) return created;
  const ComputeRequests& requests = session.session.compute.requests;
  if (!created.ok() || !created->run.has_value()) {
    recent->TakeBack(session.candidates.front(), requests);
  } else if (created->run->node.id != session.candidates.front()) {
    recent->TakeBack(session.candidates.front(), requests);
    recent->Add(created->run->node.id, requests);
  }
  return created;
}

absl::StatusOr<NewSession> SessionService::Build(const Tenant& tenant,
                                                 const CreateSessionRequest& request,
                                                 const Environment& environment) {
  NewSession created;
  Session& session = created.session;
  session.created_at = deps_.clock->Now();
  session.id = SessionId(NewId(kSessionPrefix, session.created_at));
  session.tenant = tenant;
  if (request.agent.has_value()) {
    PADDOCK_ASSIGN_OR_RETURN(
        session.agent, deps_.agents->Snapshot(tenant, request.agent->id, request.agent->version,
                                              request.agent->overrides));
  }
  session.environment_id = environment.id;
  session.title = request.title;
  session.metadata = request.metadata;
  session.config = environment.config;
  session.image_digest = environment.image.digest;
  session.compute = EffectiveCompute(request.compute, settings_);
  session.on_node_loss = request.on_node_loss;
  created.network = NetworkPolicyOf(session.config, session.agent);
  created.environment_revision = environment.revision;
  created.awaits_image = IsUnsettled(environment.image);
  if (!created.awaits_image) created.shape = ShapeOf(NeedsOf(session, settings_));
  return created;
}

// Nodes collect layers that nobody uses, and machines go away.
absl::StatusOr<bool> SessionService::LostImage(const Environment& environment) {
  const EnvironmentImage& image = environment.image;
  if (image.state != ImageState::kReady || image.digest.empty()) return false;
  if (settings_.images_can_be_pulled) return false;
  if (IsSomewhere(*deps_.view->Get(), image.digest)) return false;
  PADDOCK_RETURN_IF_ERROR(deps_.view->RefreshIfOlder(kFreshView));
  return !IsSomewhere(*deps_.view->Get(), image.digest);
}

std::shared_ptr<RecentCharges> SessionService::ChooseNodes(NewSession* session) {
  if (session->awaits_image) {
    session->pending_reason = "IMAGE_BUILDING";
    session->pending_message = "Waits for the image of its environment.";
    return nullptr;
  }
  const PlacementNeeds needs = NeedsOf(session->session, settings_);
  NodeView::Fleet fleet = deps_.view->Current();
  SchedulingResult result =
      Schedule(*fleet.nodes, needs, seed_.fetch_add(kSeedStep), fleet.recent.get());
  if (result.candidates.empty() && deps_.view->RefreshIfOlder(kFreshView).ok()) {
    fleet = deps_.view->Current();
    result = Schedule(*fleet.nodes, needs, seed_.fetch_add(kSeedStep), fleet.recent.get());
  }
  session->candidates = std::move(result.candidates);
  // Also for candidates that turn out to be full.
  session->pending_reason = result.reason.empty() ? "NO_ROOM" : result.reason;
  session->pending_message = result.message.empty() ? kWaitsForRoom : result.message;
  if (session->candidates.empty()) return nullptr;
  fleet.recent->Add(session->candidates.front(), needs.requests);
  return fleet.recent;
}

std::shared_ptr<PhaseWaiter> SessionService::MakeWaiter(Session session,
                                                        PhaseWaiter::Predicate reached,
                                                        CreateCallback callback) {
  const PhaseWaiter::Deps deps = {deps_.sessions, deps_.hub, deps_.executor, deps_.timers};
  return std::make_shared<PhaseWaiter>(deps, std::move(session), std::move(reached),
                                       std::move(callback));
}

absl::StatusOr<Session> SessionService::Get(const Tenant& tenant, const SessionId& id) {
  return deps_.sessions->Get(tenant, id);
}

absl::StatusOr<Page<Session>> SessionService::List(const Tenant& tenant,
                                                   const ListSessionsRequest& request) {
  const std::string scope = ListScope(tenant, request.filter);
  const std::string back_scope = scope + "\nback";
  SessionFilter filter = request.filter;
  absl::StatusOr<PageQuery> query = ParsePageRequest(back_scope, request.page);
  const bool back = query.ok() && !query->after.empty();
  if (back) {
    filter.order = Opposite(filter.order);
  } else {
    query = ParsePageRequest(scope, request.page);
  }
  if (!query.ok()) return query.status();
  PADDOCK_ASSIGN_OR_RETURN(StorePage<Session> found, deps_.sessions->List(tenant, filter, *query));
  CutToBudget(&found, [](const Session& session) { return ApproximateSize(session); });
  Page<Session> page;
  page.items = std::move(found.items);
  if (page.items.empty()) return page;
  if (back) std::reverse(page.items.begin(), page.items.end());
  // Where the caller came from there is something, also when the store was asked the other way.
  if (back || found.has_more) {
    page.next_page_token = MakePageToken(scope, page.items.back().id.value());
  }
  if (back ? found.has_more : !query->after.empty()) {
    page.prev_page_token = MakePageToken(back_scope, page.items.front().id.value());
  }
  return page;
}

absl::StatusOr<std::vector<SessionEvent>> SessionService::Events(const Tenant& tenant,
                                                                 const SessionId& id,
                                                                 int64_t after) {
  return deps_.sessions->Events(tenant, id, after);
}

absl::StatusOr<Session> SessionService::Update(const Tenant& tenant, const SessionId& id,
                                               const SessionPatch& patch) {
  absl::StatusOr<Session> session = deps_.sessions->Mutate(
      tenant, id, [&](const Session& stored, bool* changed) -> absl::StatusOr<Session> {
        if (stored.archived_at.has_value()) return errors::SessionArchived(id.value());
        PADDOCK_ASSIGN_OR_RETURN(Session next, ApplySessionPatch(stored, patch));
        *changed = next.title != stored.title || next.metadata != stored.metadata ||
                   (next.agent.has_value() && !SameContent(*next.agent, *stored.agent));
        return next;
      });
  if (session.ok()) deps_.hub->Notify(WatchKind::kSession, id.value());
  return session;
}

void SessionService::Archive(const Tenant& tenant, const SessionId& id, CreateCallback callback) {
  absl::StatusOr<SessionStore::Ended> ended = deps_.sessions->Archive(tenant, id);
  if (!ended.ok()) {
    callback(ended.status());
    return;
  }
  deps_.hub->Notify(WatchKind::kSession, id.value());
  std::shared_ptr<PhaseWaiter> waiter =
      MakeWaiter(std::move(ended->session), IsFinal, std::move(callback));
  waiter->Begin(kArchiveWait);
  waiter->Watch();
  if (ended->stop.has_value()) deps_.driver->Stop(*ended->stop, [](const absl::Status&) {});
}

absl::Status SessionService::Delete(const Tenant& tenant, const SessionId& id) {
  PADDOCK_ASSIGN_OR_RETURN(std::optional<StopOrder> stop, deps_.sessions->Delete(tenant, id));
  deps_.hub->Notify(WatchKind::kSession, id.value());
  if (stop.has_value()) deps_.driver->Stop(*stop, [](const absl::Status&) {});
  return absl::OkStatus();
}

absl::StatusOr<SessionLocation> SessionService::Locate(const Tenant& tenant, const SessionId& id) {
  PADDOCK_ASSIGN_OR_RETURN(SessionLocation location, deps_.sessions->Locate(tenant, id));
  if (location.phase != SessionPhase::kRunning) {
    return errors::SessionNotRunning(id.value(), SessionPhaseName(location.phase), "");
  }
  PADDOCK_RETURN_IF_ERROR(CheckReachable(location));
  return location;
}

absl::StatusOr<SessionLocation> SessionService::LocateLast(const Tenant& tenant,
                                                           const SessionId& id) {
  PADDOCK_ASSIGN_OR_RETURN(SessionLocation location, deps_.sessions->Locate(tenant, id));
  if (location.node.id.empty()) {
    return errors::SessionNotRunning(id.value(), SessionPhaseName(location.phase), "");
  }
  PADDOCK_RETURN_IF_ERROR(CheckReachable(location));
  return location;
}

absl::StatusOr<std::unique_ptr<Subscription>> SessionService::Watch(
    const Tenant& tenant, const SessionId& id, int64_t after_revision,
    std::function<void(absl::StatusOr<Session>)> watcher) {
  return WatchResource<Session>(
      deps_.hub, WatchKind::kSession, id.value(), after_revision,
      [store = deps_.sessions, tenant, id] { return store->Get(tenant, id); }, std::move(watcher));
}

}  // namespace paddock
