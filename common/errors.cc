#include "common/errors.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/last_lines.h"
#include "common/utf8.h"

namespace paddock::errors {
namespace {

constexpr size_t kMaxViolations = 20;
constexpr size_t kMaxViolationBytes = 1500;
constexpr size_t kViolationsInMessage = 3;
// Of texts that come from elsewhere.
constexpr size_t kMaxQuotedCodePoints = 300;
constexpr size_t kMaxReasonCodePoints = 200;
// Of a build's log in the metadata, which must fit the details of a gRPC status.
constexpr size_t kMaxLogTailBytes = 1500;
constexpr size_t kMaxIdCodePoints = 64;
constexpr absl::Duration kRetryAfterOutage = absl::Seconds(1);

std::string QuoteId(absl::string_view id) { return Quote(id, kMaxIdCodePoints); }

// The last lines of a text of many, with its control characters escaped as Quote does, but for
// those that lines are made of.
std::string LastLinesOf(absl::string_view text, size_t max_bytes) {
  const std::string quoted = Quote(text, text.size());
  const std::string lines = absl::StrReplaceAll(
      quoted.substr(1, quoted.size() - 2),
      {{R"(\\)", R"(\)"}, {R"(\")", R"(")"}, {R"(\u000a)", "\n"}, {R"(\u0009)", "\t"}});
  return LastLines(lines, max_bytes);
}

// The first violations that together fit.
std::vector<FieldViolation> Bounded(std::vector<FieldViolation> violations) {
  size_t count = 0;
  size_t bytes = 0;
  while (count < violations.size() && count < kMaxViolations) {
    bytes += violations[count].field.size() + violations[count].description.size();
    if (count > 0 && bytes > kMaxViolationBytes) break;
    ++count;
  }
  violations.resize(count);
  return violations;
}

std::string Describe(const std::vector<FieldViolation>& violations) {
  std::string message;
  const size_t shown = std::min(violations.size(), kViolationsInMessage);
  for (size_t i = 0; i < shown; ++i) {
    absl::StrAppend(&message, i == 0 ? "" : "; ", violations[i].field, ": ",
                    violations[i].description);
  }
  if (violations.size() > shown) {
    absl::StrAppend(&message, "; and ", violations.size() - shown, " more");
  }
  return message;
}

bool InMetadata(const FieldViolation& violation) {
  return violation.field == "metadata" || absl::StartsWith(violation.field, "metadata[");
}

absl::Status NotFound(ErrorReason reason, absl::string_view kind, absl::string_view id) {
  return MakeError(reason, absl::StrCat("no ", kind, " ", QuoteId(id)));
}

// A field that breaks no rule of its own, but doesn't go with what is there.
absl::Status FieldError(ErrorReason reason, absl::string_view field, absl::string_view rule,
                        const ErrorMetadata& metadata = {}) {
  absl::Status status = MakeError(reason, absl::StrCat(field, ": ", rule), metadata);
  SetViolations(&status, {{std::string(field), std::string(rule)}});
  return status;
}

absl::Status Retryable(ErrorReason reason, absl::string_view message, absl::Duration delay,
                       const ErrorMetadata& metadata = {}) {
  absl::Status status = MakeError(reason, message, metadata);
  SetRetryDelay(&status, delay);
  return status;
}

}  // namespace

absl::Status InvalidFields(std::vector<FieldViolation> violations) {
  const bool metadata_only = std::all_of(violations.begin(), violations.end(), InMetadata);
  absl::Status status =
      MakeError(metadata_only ? ErrorReason::kInvalidMetadata : ErrorReason::kInvalidField,
                Describe(violations));
  SetViolations(&status, Bounded(std::move(violations)));
  return status;
}

absl::Status InvalidField(absl::string_view field, absl::string_view rule) {
  return InvalidFields({{std::string(field), std::string(rule)}});
}

absl::Status InvalidConfigTypeChange(absl::string_view from, absl::string_view to) {
  return FieldError(
      ErrorReason::kInvalidConfigTypeChange, "config",
      absl::StrCat("the type of an environment can't change (from ", from, " to ", to, ")"),
      {{"from", std::string(from)}, {"to", std::string(to)}});
}

absl::Status InvalidPageToken() {
  return FieldError(ErrorReason::kInvalidPageToken, "page_token",
                    "must be empty or the next_page_token of the same list with the same filters");
}

absl::Status BetaHeaderMissing(absl::string_view required_value) {
  return MakeError(ErrorReason::kBetaHeaderMissing,
                   absl::StrCat("anthropic-beta: this header must hold ", required_value),
                   {{"header", "anthropic-beta"}, {"value", std::string(required_value)}});
}

absl::Status MessageTooLarge(int64_t limit_bytes) {
  return MakeError(ErrorReason::kMessageTooLarge,
                   absl::StrCat("the request is larger than ", limit_bytes, " bytes"),
                   {{"limit_bytes", absl::StrCat(limit_bytes)}});
}

absl::Status HeaderTooLarge(int64_t limit_bytes) {
  return MakeError(ErrorReason::kHeaderTooLarge,
                   absl::StrCat("the request's header is larger than ", limit_bytes, " bytes"),
                   {{"limit_bytes", absl::StrCat(limit_bytes)}});
}

absl::Status MalformedRequest(absl::string_view what) {
  return MakeError(ErrorReason::kMalformedRequest, what);
}

absl::Status RevisionTooOld(int64_t after_revision) {
  return FieldError(
      ErrorReason::kRevisionTooOld, "after_revision",
      absl::StrCat(after_revision,
                   " can't be continued from; read the resource and watch from its revision"));
}

absl::Status ApiKeyMissing() {
  return MakeError(ErrorReason::kApiKeyMissing,
                   "no API key: send `x-api-key: KEY` or `authorization: Bearer KEY`");
}

absl::Status ApiKeyInvalid() {
  return MakeError(ErrorReason::kApiKeyInvalid, "the API key is unknown or revoked");
}

absl::Status AdminKeyRequired() {
  return MakeError(ErrorReason::kAdminKeyRequired, "this call needs an admin API key");
}

absl::Status WorkspaceMismatch(absl::string_view workspace) {
  return MakeError(ErrorReason::kWorkspaceMismatch,
                   absl::StrCat("anthropic-workspace-id: the API key doesn't belong to workspace ",
                                QuoteId(workspace)));
}

absl::Status RouteNotFound(absl::string_view path) {
  return MakeError(ErrorReason::kRouteNotFound, absl::StrCat("nothing is served at ", Quote(path)));
}

absl::Status HttpMethodNotAllowed(absl::string_view method, absl::string_view path) {
  return MakeError(ErrorReason::kHttpMethodNotAllowed,
                   absl::StrCat(Quote(method), " can't be done at ", Quote(path)));
}

absl::Status EnvironmentNotFound(absl::string_view id) {
  return NotFound(ErrorReason::kEnvironmentNotFound, "environment", id);
}

absl::Status AgentNotFound(absl::string_view id) {
  return NotFound(ErrorReason::kAgentNotFound, "agent", id);
}

absl::Status AgentVersionNotFound(absl::string_view id, int64_t version) {
  return MakeError(ErrorReason::kAgentNotFound,
                   absl::StrCat("no version ", version, " of agent ", QuoteId(id)));
}

absl::Status SessionNotFound(absl::string_view id) {
  return NotFound(ErrorReason::kSessionNotFound, "session", id);
}

absl::Status NodeNotFound(absl::string_view id) {
  return NotFound(ErrorReason::kNodeNotFound, "node", id);
}

absl::Status ApiKeyNotFound(absl::string_view id) {
  return NotFound(ErrorReason::kApiKeyNotFound, "API key", id);
}

absl::Status PathNotFound(absl::string_view path) {
  return FieldError(ErrorReason::kPathNotFound, "path",
                    absl::StrCat("no such file or directory: ", Quote(path)));
}

absl::Status ParentNotDirectory(absl::string_view path) {
  return FieldError(ErrorReason::kPathNotFound, "path",
                    absl::StrCat("not a directory: a parent of ", Quote(path)));
}

absl::Status EnvironmentNameTaken(absl::string_view name) {
  // In full: a name has at most 256 characters.
  return FieldError(ErrorReason::kEnvironmentNameTaken, "name",
                    absl::StrCat("the workspace already has an environment named ",
                                 Quote(name, 256), " (archived ones count)"));
}

absl::Status RequestIdReused(absl::string_view request_id) {
  return FieldError(ErrorReason::kRequestIdReused, "request_id",
                    absl::StrCat(Quote(request_id, 128), " was used with another request before"));
}

absl::Status EnvironmentArchived(absl::string_view id) {
  return MakeError(ErrorReason::kEnvironmentArchived,
                   absl::StrCat("environment ", QuoteId(id),
                                " is archived: it can't be changed or used for new sessions"),
                   {{"environment_id", std::string(id)}});
}

absl::Status EnvironmentInUse(absl::string_view id, int64_t count,
                              const std::vector<std::string>& first_ids) {
  const std::string few = absl::StrJoin(first_ids, ", ");
  const bool more = count > static_cast<int64_t>(first_ids.size());
  return MakeError(ErrorReason::kEnvironmentInUse,
                   absl::StrCat("environment ", QuoteId(id), " is referenced by ", count,
                                count == 1 ? " session: " : " sessions: ", few, more ? ", …" : ""),
                   {{"session_count", absl::StrCat(count)}, {"session_ids", few}});
}

absl::Status AgentArchived(absl::string_view id) {
  return MakeError(ErrorReason::kAgentArchived,
                   absl::StrCat("agent ", QuoteId(id),
                                " is archived: it can't be changed or used for new sessions"),
                   {{"agent_id", std::string(id)}});
}

absl::Status AgentVersionStale(absl::string_view id, int64_t given, int64_t newest) {
  return FieldError(ErrorReason::kAgentVersionStale, "version",
                    absl::StrCat("agent ", QuoteId(id), " is at version ", newest,
                                 ", the update was made for version ", given),
                    {{"version", absl::StrCat(given)}, {"newest_version", absl::StrCat(newest)}});
}

absl::Status ImageBuildFailed(absl::string_view environment_id, absl::string_view manager,
                              absl::string_view package, int exit_code, absl::string_view why,
                              absl::string_view log) {
  std::string message = absl::StrCat("the image of environment ", QuoteId(environment_id),
                                     " failed to build: ", manager);
  if (!package.empty()) absl::StrAppend(&message, " ", Quote(package));
  if (exit_code != 0) absl::StrAppend(&message, ", exit code ", exit_code);
  if (!why.empty()) absl::StrAppend(&message, ": ", Quote(why, kMaxReasonCodePoints));
  const size_t room = kMaxErrorMessageBytes - std::min(kMaxErrorMessageBytes, message.size() + 1);
  ErrorMetadata metadata = {{"environment_id", std::string(environment_id)},
                            {"manager", std::string(manager)},
                            {"exit_code", absl::StrCat(exit_code)}};
  if (!package.empty()) metadata["package"] = std::string(package);
  if (const std::string lines = LastLinesOf(log, room); !lines.empty()) {
    absl::StrAppend(&message, "\n", lines);
    metadata["log_tail"] = LastLinesOf(log, kMaxLogTailBytes);
  }
  return MakeError(ErrorReason::kImageBuildFailed, message, metadata);
}

absl::Status SessionNotRunning(absl::string_view id, absl::string_view phase,
                               absl::string_view why) {
  std::string message = absl::StrCat("session ", QuoteId(id), " is ", phase, ", not RUNNING");
  if (!why.empty()) absl::StrAppend(&message, ": ", Quote(why, kMaxQuotedCodePoints));
  return MakeError(ErrorReason::kSessionNotRunning, message, {{"state", std::string(phase)}});
}

absl::Status SessionArchived(absl::string_view id) {
  return MakeError(ErrorReason::kSessionArchived,
                   absl::StrCat("session ", QuoteId(id), " is archived and can't be changed"));
}

absl::Status StaleGeneration(absl::string_view session_id, int64_t given, int64_t newest) {
  return MakeError(
      ErrorReason::kStaleGeneration,
      absl::StrCat("session ", QuoteId(session_id), ": generation ", given, " isn't newer than ",
                   newest),
      {{"generation", absl::StrCat(given)}, {"newest_generation", absl::StrCat(newest)}});
}

absl::Status RuntimeClassUnavailable(absl::string_view runtime_class, absl::string_view why) {
  return FieldError(ErrorReason::kRuntimeClassUnavailable, "compute.runtime_class",
                    absl::StrCat(Quote(runtime_class), " isn't available: ", why));
}

absl::Status InvalidPath(absl::string_view path, absl::string_view why) {
  return FieldError(ErrorReason::kInvalidPath, "path", absl::StrCat(Quote(path), ": ", why));
}

absl::Status PathNotPermitted(absl::string_view path, absl::string_view why) {
  return FieldError(ErrorReason::kPathNotPermitted, "path", absl::StrCat(Quote(path), ": ", why));
}

absl::Status ConcurrentChange() {
  return Retryable(ErrorReason::kConcurrentChange,
                   "the resource was changed at the same time; try again", absl::Milliseconds(50));
}

absl::Status SelfHostedNotSupported(absl::string_view environment_id) {
  return MakeError(ErrorReason::kSelfHostedNotSupported,
                   absl::StrCat("environment ", QuoteId(environment_id),
                                " is self_hosted: sessions from self_hosted environments aren't "
                                "supported"),
                   {{"environment_id", std::string(environment_id)}});
}

absl::Status FieldNotSupported(absl::string_view field, absl::string_view why) {
  return FieldError(ErrorReason::kFieldNotSupported, field, why);
}

absl::Status NoModel(absl::string_view what) {
  return MakeError(ErrorReason::kNoModel,
                   absl::StrCat(what,
                                ": this server runs sandboxes and no model, so it takes no "
                                "events; run commands with SessionService.Exec over gRPC"));
}

absl::Status Overloaded(absl::string_view what, absl::Duration retry_after) {
  return Retryable(ErrorReason::kOverloaded, absl::StrCat("too much at once: ", what), retry_after);
}

absl::Status TooManyExecs(absl::string_view session_id, int64_t limit) {
  return Retryable(ErrorReason::kTooManyExecs,
                   absl::StrCat("session ", QuoteId(session_id), " already runs ", limit,
                                " commands, which is the limit"),
                   kRetryAfterOutage);
}

absl::Status DiskFull(absl::string_view what) {
  return MakeError(ErrorReason::kDiskFull, absl::StrCat("no disk space left: ", what));
}

absl::Status PidsExhausted() {
  return MakeError(ErrorReason::kPidsExhausted, "the sandbox has reached its process limit (pids)");
}

absl::Status SandboxExhausted(absl::string_view what) {
  return MakeError(ErrorReason::kSandboxExhausted,
                   absl::StrCat("the sandbox has reached a limit of its own: ", what));
}

absl::Status NodeUnreachable(absl::string_view node_id, absl::string_view why) {
  return Retryable(ErrorReason::kNodeUnreachable,
                   absl::StrCat("node ", QuoteId(node_id), " doesn't answer: ", why),
                   kRetryAfterOutage, {{"node_id", std::string(node_id)}});
}

absl::Status ExecInterrupted() {
  return MakeError(ErrorReason::kExecInterrupted,
                   "the node agent ended while the command ran; its processes are killed");
}

absl::Status DatabaseUnavailable() {
  return Retryable(ErrorReason::kDatabaseUnavailable, "the database doesn't answer",
                   kRetryAfterOutage);
}

absl::Status CommitInDoubt() {
  return MakeError(ErrorReason::kCommitInDoubt,
                   "the database went away while the change was committed: it may or may not have "
                   "happened; repeat a create with the same request_id");
}

absl::Status ShuttingDown() {
  return Retryable(ErrorReason::kShuttingDown, "the server is shutting down", kRetryAfterOutage);
}

absl::Status Unavailable(absl::string_view why) {
  return Retryable(ErrorReason::kUnavailable, why, kRetryAfterOutage);
}

absl::Status DeadlineExceeded(absl::string_view what) {
  return MakeError(ErrorReason::kDeadlineExceeded, absl::StrCat("deadline exceeded: ", what));
}

absl::Status Cancelled() {
  return MakeError(ErrorReason::kCancelled, "the call was cancelled by the client");
}

absl::Status Internal(absl::string_view message) {
  return MakeError(ErrorReason::kInternal, message);
}

absl::Status ForUser(const absl::Status& status) {
  if (status.ok() || ReasonOf(status).has_value()) return status;
  const ErrorReason reason = ReasonForCode(status.code());
  if (reason == ErrorReason::kInternal) return Internal("internal error");
  const bool retry = reason == ErrorReason::kOverloaded || reason == ErrorReason::kUnavailable;
  if (retry) return Retryable(reason, status.message(), kRetryAfterOutage);
  return MakeError(reason, status.message());
}

}  // namespace paddock::errors
