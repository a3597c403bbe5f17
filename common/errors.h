#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/error_details.h"

// Every error that a user can see, as a function: one place for its wording, and through its reason
// (error_catalogue.h) for its codes. Ids and names are quoted as the caller gave them; secrets
// never are. Pure and thread-safe.
namespace paddock::errors {

// --- The request ---

// All violations of one request at once; must not be empty. INVALID_ARGUMENT, reason
// INVALID_METADATA when all of them lie in `metadata`, else INVALID_FIELD. Only the first 20 are
// carried, because an error must fit the 8 KiB of headers that clients accept.
absl::Status InvalidFields(std::vector<FieldViolation> violations);
absl::Status InvalidField(absl::string_view field, absl::string_view rule);
// An environment's config can't change from one type to another.
absl::Status InvalidConfigTypeChange(absl::string_view from, absl::string_view to);
absl::Status InvalidPageToken();
absl::Status BetaHeaderMissing(absl::string_view required_value);
absl::Status MessageTooLarge(int64_t limit_bytes);
absl::Status HeaderTooLarge(int64_t limit_bytes);
// What isn't even a request: `what` says which part, and what it must be.
absl::Status MalformedRequest(absl::string_view what);
// A Watch can't be continued from there; the caller reads the resource and watches anew.
absl::Status RevisionTooOld(int64_t after_revision);

// --- Who asks ---

absl::Status ApiKeyMissing();
// Unknown, revoked or malformed: all alike.
absl::Status ApiKeyInvalid();
absl::Status AdminKeyRequired();
// The request names a workspace that its key doesn't belong to.
absl::Status WorkspaceMismatch(absl::string_view workspace);

// --- What it names: unknown, malformed and another tenant's ids alike ---

absl::Status RouteNotFound(absl::string_view path);
absl::Status HttpMethodNotAllowed(absl::string_view method, absl::string_view path);
absl::Status EnvironmentNotFound(absl::string_view id);
absl::Status AgentNotFound(absl::string_view id);
absl::Status AgentVersionNotFound(absl::string_view id, int64_t version);
absl::Status SessionNotFound(absl::string_view id);
absl::Status NodeNotFound(absl::string_view id);
absl::Status ApiKeyNotFound(absl::string_view id);
absl::Status PathNotFound(absl::string_view path);
// As PathNotFound, where something on the way to `path` is a file.
absl::Status ParentNotDirectory(absl::string_view path);
absl::Status EnvironmentNameTaken(absl::string_view name);
// The same request_id came with another body before.
absl::Status RequestIdReused(absl::string_view request_id);

// --- The state of things ---

absl::Status EnvironmentArchived(absl::string_view id);
// `count` sessions reference it; `first_ids` are a few of them.
absl::Status EnvironmentInUse(absl::string_view id, int64_t count,
                              const std::vector<std::string>& first_ids);
absl::Status AgentArchived(absl::string_view id);
absl::Status AgentVersionStale(absl::string_view id, int64_t given, int64_t newest);
// `package` and `why` may be empty, `exit_code` 0 when nothing has ended. Of `log` its last lines
// are told, as many as a message holds, and some more in the metadata.
absl::Status ImageBuildFailed(absl::string_view environment_id, absl::string_view manager,
                              absl::string_view package, int exit_code, absl::string_view why,
                              absl::string_view log);
// `phase` is the SessionPhaseName that it has, `why` its state_reason or empty.
absl::Status SessionNotRunning(absl::string_view id, absl::string_view phase,
                               absl::string_view why);
absl::Status SessionArchived(absl::string_view id);
// The agent has seen or stopped a later generation.
absl::Status StaleGeneration(absl::string_view session_id, int64_t given, int64_t newest);
absl::Status RuntimeClassUnavailable(absl::string_view runtime_class, absl::string_view why);
// A path that exists but can't serve: a directory where a file is wanted, a loop of links, …
absl::Status InvalidPath(absl::string_view path, absl::string_view why);
// The sandbox's own kernel refuses it; `why` is its word.
absl::Status PathNotPermitted(absl::string_view path, absl::string_view why);
// A transaction lost against another one; the caller may try again.
absl::Status ConcurrentChange();

// --- What isn't built yet ---

absl::Status SelfHostedNotSupported(absl::string_view environment_id);
// A field that other servers of this API know; `why` says what this one lacks.
absl::Status FieldNotSupported(absl::string_view field, absl::string_view why);
// Whatever asks a model to work.
absl::Status NoModel(absl::string_view what);

// --- Bounds and failures of the server ---

absl::Status Overloaded(absl::string_view what, absl::Duration retry_after);
absl::Status TooManyExecs(absl::string_view session_id, int64_t limit);
absl::Status DiskFull(absl::string_view what);
// A session's own limits, of processes and of others: waiting alone doesn't help.
absl::Status PidsExhausted();
absl::Status SandboxExhausted(absl::string_view what);
absl::Status NodeUnreachable(absl::string_view node_id, absl::string_view why);
// The agent of the session's node ended while the command ran; its processes are killed.
absl::Status ExecInterrupted();
absl::Status DatabaseUnavailable();
// The connection broke at commit. A create may be repeated with the same request_id.
absl::Status CommitInDoubt();
absl::Status ShuttingDown();
// For whatever else will be better soon.
absl::Status Unavailable(absl::string_view why);
absl::Status DeadlineExceeded(absl::string_view what);
absl::Status Cancelled();
// `message` is for users: never SQL, paths of the host or secrets.
absl::Status Internal(absl::string_view message);

// What a front end may answer: `status` itself if it is OK or has a reason of the catalogue; else a
// status of the same meaning with one. The message of an internal error isn't shown (the caller
// logs it).
absl::Status ForUser(const absl::Status& status);

}  // namespace paddock::errors
