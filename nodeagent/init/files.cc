#include "nodeagent/init/files.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "common/utf8.h"
#include "nodeagent/init/file_protocol.h"
#include "nodeagent/init/protocol.h"

namespace paddock::nodeagent {
namespace {

using file_protocol::ErrorRecord;
using file_protocol::Step;

// Absolute, as the file commands want it. INVALID_ARGUMENT that names `field`.
absl::StatusOr<std::string> AbsolutePath(absl::string_view field, const std::string& path) {
  if (path.empty()) return errors::InvalidField(field, "must not be empty");
  if (path.find('\0') != std::string::npos) {
    return errors::InvalidField(field, "must not contain a NUL character");
  }
  std::string absolute = path[0] == '/' ? path : absl::StrCat("/workspace/", path);
  if (absolute.size() >= PATH_MAX) {
    return errors::InvalidField(field,
                                absl::StrCat("must not be longer than ", PATH_MAX - 1, " bytes"));
  }
  return absolute;
}

ExecSpec FileCommand(std::vector<std::string> arguments) {
  ExecSpec spec;
  spec.command = {init_protocol::kProgramPath};
  for (std::string& argument : arguments) spec.command.push_back(std::move(argument));
  // Whatever became of /workspace.
  spec.cwd = "/";
  return spec;
}

std::string Reason(Step step, int error) {
  if (step == Step::kKind && error == EINVAL) return "not a regular file";
  if (step == Step::kInput) return "the upload ended early";
  if (step == Step::kParents) return absl::StrCat("parent directory: ", std::strerror(error));
  if (error == EDQUOT) return "the sandbox's disk is full";
  return std::strerror(error);
}

// What a failure at `path` means to whoever named it.
absl::Status FailureAt(absl::string_view path, Step step, int error) {
  const std::string reason = Reason(step, error);
  if (step == Step::kKind) return errors::InvalidPath(path, reason);
  if (step == Step::kInput || step == Step::kOutput) {
    return MakeError(ErrorReason::kCancelled, absl::StrCat("path: ", Quote(path), ": ", reason));
  }
  if (step == Step::kUsage) return absl::InternalError("the file command wasn't understood");
  switch (error) {
    case ENOENT:
      return errors::PathNotFound(path);
    case ENOTDIR:
      return errors::ParentNotDirectory(path);
    case ENOSPC:
    case EDQUOT:
      return errors::DiskFull(absl::StrCat("path: ", Quote(path), ": ", reason));
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return errors::SandboxExhausted(absl::StrCat("path: ", Quote(path), ": ", reason));
    case EACCES:
    case EPERM:
      return errors::PathNotPermitted(path, reason);
    case ENAMETOOLONG:
      return errors::InvalidField("path", "a name in it is too long for the file system");
    default:
      // The file system's own word: a loop of links, read-only, busy, a failing device, ….
      return errors::InvalidPath(path, reason);
  }
}

bool ParseError(absl::string_view bytes, ErrorRecord* record) {
  if (bytes.size() != sizeof(*record)) return false;
  std::memcpy(record, bytes.data(), sizeof(*record));
  return record->magic == file_protocol::kMagic && record->step > 0 &&
         record->step <= file_protocol::kLastStep && record->error > 0 && record->error < 4096;
}

}  // namespace

absl::StatusOr<ExecSpec> ReadFileCommand(const std::string& path, int64_t offset, int64_t limit) {
  PADDOCK_ASSIGN_OR_RETURN(std::string absolute, AbsolutePath("path", path));
  if (offset < 0) return errors::InvalidField("offset", "must not be negative");
  if (limit < 0) return errors::InvalidField("limit", "must not be negative");
  return FileCommand({"cat", std::move(absolute), absl::StrCat(offset), absl::StrCat(limit)});
}

absl::StatusOr<ExecSpec> WriteFileCommand(const std::string& path, uint32_t mode) {
  PADDOCK_ASSIGN_OR_RETURN(std::string absolute, AbsolutePath("start.path", path));
  if (mode > 07777) {
    return errors::InvalidField("start.mode", "must be permission bits, at most 07777");
  }
  return FileCommand({"write", std::move(absolute), absl::StrFormat("%o", mode)});
}

absl::StatusOr<ExecSpec> ListDirectoryCommand(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(std::string absolute, AbsolutePath("path", path));
  return FileCommand({"list", std::move(absolute)});
}

static_assert(kMaxWriteFrame == file_protocol::kMaxFrameBytes, "one limit, said twice");

std::string WriteFrame(size_t size) {
  uint32_t length = static_cast<uint32_t>(size);
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length));
}

std::string WriteEnd(uint64_t total) {
  std::string end = WriteFrame(0);
  end.append(reinterpret_cast<const char*>(&total), sizeof(total));
  return end;
}

absl::Status FileCommandStatus(const ExecExit& exit, absl::string_view standard_error,
                               absl::string_view path) {
  const std::string quoted = absl::StrCat("path: ", Quote(path));
  if (exit.signal == SIGKILL) {
    return errors::Unavailable(
        absl::StrCat(quoted, ": the file command was killed, maybe for lack of memory"));
  }
  if (exit.signal != 0) {
    return errors::Unavailable(
        absl::StrCat(quoted, ": the file command was ended by signal ", exit.signal));
  }
  if (exit.code == 0) return absl::OkStatus();
  ErrorRecord record;
  if (exit.code != file_protocol::kFailedCode || !ParseError(standard_error, &record)) {
    return absl::InternalError(
        absl::StrCat(quoted, ": the file command failed with code ", exit.code));
  }
  return FailureAt(path, static_cast<Step>(record.step), record.error);
}

}  // namespace paddock::nodeagent
