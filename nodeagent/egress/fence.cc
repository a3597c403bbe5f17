#include "nodeagent/egress/fence.h"

#include <time.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/egress/cgroup_killer.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/system/boot_clock.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/replace_file.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kKillEvery = absl::Milliseconds(20);
constexpr absl::Duration kRetryAfter = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<Fence>> Fence::Create(EventLoop* loop, SessionTable* table,
                                                     const std::string& file,
                                                     const std::string& boot_id) {
  std::unique_ptr<Fence> fence(new Fence(table, file, boot_id));
  Fence* self = fence.get();
  PADDOCK_ASSIGN_OR_RETURN(fence->deadline_timer_,
                           LoopTimer::Create(loop, CLOCK_BOOTTIME, [self] { self->Expire(); }));
  PADDOCK_ASSIGN_OR_RETURN(fence->kill_timer_,
                           LoopTimer::Create(loop, CLOCK_MONOTONIC, [self] { self->KillRound(); }));
  fence->ReadDeadline();
  fence->Arm();
  // What a process before this one began to kill is killed to the end.
  fence->kill_timer_->ArmAfter(0);
  return fence;
}

void Fence::ReadDeadline() {
  absl::StatusOr<std::string> text = ReadFile(file_);
  if (!text.ok()) return;
  absl::StatusOr<nlohmann::json> json = ParseJsonObject(*text);
  if (!json.ok()) return;
  absl::StatusOr<std::string> boot_id = StringField(*json, "boot_id");
  absl::StatusOr<int64_t> deadline = IntField(*json, "deadline_ns");
  if (boot_id.ok() && *boot_id == boot_id_ && deadline.ok()) {
    deadline_ = absl::Nanoseconds(*deadline);
  }
}

void Fence::Arm() {
  if (deadline_) deadline_timer_->ArmAt(absl::ToInt64Nanoseconds(*deadline_));
}

absl::Status Fence::Renew(absl::Duration sent_at, absl::Duration fence_after) {
  absl::Duration deadline = sent_at + fence_after;
  if (deadline_ && deadline <= *deadline_) return absl::OkStatus();
  nlohmann::json json = {{"boot_id", boot_id_},
                         {"deadline_ns", absl::ToInt64Nanoseconds(deadline)}};
  PADDOCK_RETURN_IF_ERROR(ReplaceFile(file_, json.dump()));
  deadline_ = deadline;
  Arm();
  return absl::OkStatus();
}

absl::Status Fence::CheckAhead() const {
  if (deadline_ && *deadline_ > BootTime()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      deadline_ ? "the fence deadline has passed: the control plane doesn't answer"
                : "no fence deadline yet: the control plane hasn't answered");
}

void Fence::Expire() {
  std::vector<std::string> doomed;
  for (const auto& [id, entry] : table_->All()) {
    if (entry.session.fenced && !entry.killed) doomed.push_back(id);
  }
  for (const std::string& id : doomed) {
    absl::Status marked = table_->MarkKilled(id);
    if (!marked.ok()) {
      // Killing comes first here, whatever the disk says: the session may be running elsewhere.
      LogError("fence can't record a kill", {{"session_id", id}, {"error", marked.ToString()}});
      KillCgroupsOnce(table_->Find(id)->session.cgroup_directories);
      deadline_timer_->ArmAfter(absl::ToInt64Nanoseconds(kRetryAfter));
      continue;
    }
    ++kills_;
    LogWarning("fence kills a session: no answer from the control plane", {{"session_id", id}});
  }
  KillRound();
}

void Fence::KillRound() {
  bool all_empty = true;
  for (const auto& [id, entry] : table_->All()) {
    if (!entry.killed) continue;
    if (!KillCgroupsOnce(entry.session.cgroup_directories)) all_empty = false;
  }
  if (!all_empty) kill_timer_->ArmAfter(absl::ToInt64Nanoseconds(kKillEvery));
}

}  // namespace paddock::nodeagent
