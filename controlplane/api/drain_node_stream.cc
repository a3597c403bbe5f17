#include "controlplane/api/drain_node_stream.h"

#include <utility>

#include "common/errors.h"
#include "common/proto_time.h"
#include "controlplane/api/admin_convert.h"

namespace paddock {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(1);

// Nullopt: without end. INVALID_ARGUMENT when it isn't positive.
absl::StatusOr<std::optional<absl::Duration>> DeadlineOf(const v1::DrainNodeRequest& request) {
  if (!request.has_deadline()) return std::nullopt;
  const std::optional<absl::Duration> deadline = FromProtoDuration(request.deadline());
  if (!deadline || *deadline < absl::ZeroDuration()) {
    return errors::InvalidField("deadline", "must be a duration of 0 or more");
  }
  return deadline;
}

}  // namespace

DrainNodeStream* DrainNodeStream::Start(grpc::CallbackServerContext* context,
                                        const v1::DrainNodeRequest& request, Dispatcher* dispatcher,
                                        DrainGroup* group, TimerQueue* timers,
                                        NodeOperations* nodes) {
  std::shared_ptr<DrainNodeStream> stream(
      new DrainNodeStream(request, dispatcher, group, timers, nodes));
  stream->self_ = stream;
  if (!group->Add(stream.get())) {
    stream->End(errors::Overloaded("streams", absl::Seconds(5)));
    return stream.get();
  }
  dispatcher->Admit(context, request, Access::kAdmin,
                    [stream](const absl::StatusOr<Principal>& caller) {
                      if (!caller.ok()) return stream->End(caller.status());
                      stream->Order();
                    });
  return stream.get();
}

DrainNodeStream::DrainNodeStream(const v1::DrainNodeRequest& request, Dispatcher* dispatcher,
                                 DrainGroup* group, TimerQueue* timers, NodeOperations* nodes)
    : LatestWriter(dispatcher->Record("DrainNode")),
      request_(request),
      pool_(dispatcher->pool()),
      group_(group),
      timers_(timers),
      nodes_(nodes) {}

void DrainNodeStream::Order() {
  const auto deadline = DeadlineOf(request_);
  if (!deadline.ok()) return End(deadline.status());
  const absl::StatusOr<Node> node = nodes_->StartDrain(NodeId(request_.node_id()), *deadline);
  if (!node.ok()) return End(node.status());
  Look();
}

void DrainNodeStream::Look() {
  if (ended_) return;
  const auto progress = nodes_->GetDrainProgress(NodeId(request_.node_id()));
  // A database that is away for a moment ends no drain.
  if (absl::IsUnavailable(progress.status()) || absl::IsResourceExhausted(progress.status())) {
    return LookLater();
  }
  if (!progress.ok()) return End(progress.status());
  Offer(ToProto(*progress));
  if (progress->remaining == 0) return End(absl::OkStatus());
  if (!progress->draining) return End(absl::AbortedError("the drain was ended by UncordonNode"));
  LookLater();
}

void DrainNodeStream::LookLater() {
  timers_->After(kLookEvery, [stream = shared_from_this()] {
    if (stream->ended_) return;
    stream->pool_->Schedule([stream] { stream->Look(); });
  });
}

void DrainNodeStream::OnEnded() {
  ended_ = true;
  group_->Remove(this);
  // The last reference may be a task's.
  const std::shared_ptr<DrainNodeStream> self = std::move(self_);
}

}  // namespace paddock
