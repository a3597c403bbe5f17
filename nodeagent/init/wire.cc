#include "nodeagent/init/wire.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

using init_protocol::Reply;
using init_protocol::ReplyType;
using init_protocol::Request;
using init_protocol::RequestType;
using init_protocol::Step;

constexpr size_t kMaxQuoted = 256;  // of what goes into a message

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text.substr(0, kMaxQuoted)), "\"");
}

std::string Directory(const ExecSpec& spec) { return spec.cwd.empty() ? "/workspace" : spec.cwd; }

std::string ErrorText(int error) { return std::strerror(error); }

absl::Status Append(absl::string_view field, absl::string_view text, std::string* payload) {
  if (text.find('\0') != absl::string_view::npos) {
    return errors::InvalidField(field, "must not contain a NUL character");
  }
  if (payload->size() + text.size() + 1 > init_protocol::kMaxPayloadBytes) {
    return errors::InvalidField(field, absl::StrCat("command and env together must not exceed ",
                                                    init_protocol::kMaxPayloadBytes, " bytes"));
  }
  payload->append(text.data(), text.size());
  payload->push_back('\0');
  return absl::OkStatus();
}

absl::Status AppendEnvironment(const ExecSpec& spec, std::string* payload) {
  for (const auto& [name, value] : spec.env) {
    if (name.empty() || name.find('=') != std::string::npos) {
      return errors::InvalidField("start.env",
                                  absl::StrCat(Quoted(name), " is not a variable name"));
    }
    PADDOCK_RETURN_IF_ERROR(Append("start.env", absl::StrCat(name, "=", value), payload));
  }
  return absl::OkStatus();
}

uint16_t Cells(int value, int fallback) {
  return static_cast<uint16_t>(value < 1 ? fallback : std::min(value, 65535));
}

bool IsWellFormed(const Reply& reply, int fd_count, int expected_fds) {
  if (reply.magic != init_protocol::kMagic || reply.version != init_protocol::kVersion) {
    return false;
  }
  switch (reply.type) {
    case static_cast<uint16_t>(ReplyType::kStarted):
      return reply.pid > 0 && fd_count == expected_fds;
    case static_cast<uint16_t>(ReplyType::kExited):
      return fd_count == 0 && reply.code >= 0 && reply.code <= 255 && reply.signal >= 0 &&
             reply.signal < NSIG && (reply.code == 0 || reply.signal == 0);
    case static_cast<uint16_t>(ReplyType::kFailed):
      return fd_count == 0 && reply.step > 0 && reply.step <= init_protocol::kLastStep &&
             reply.error > 0 && reply.error < 4096;
    default:
      return false;
  }
}

// A failure of the sandbox's machinery: its limits, or something that should not happen.
absl::Status MachineryStatus(absl::string_view what, int error) {
  std::string message = absl::StrCat(what, ": ", ErrorText(error));
  switch (error) {
    case EAGAIN:
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ETOOMANYREFS:
      return errors::SandboxExhausted(message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace

absl::StatusOr<EncodedExec> EncodeExec(const ExecSpec& spec, bool with_cgroup) {
  if (spec.command.empty()) return errors::InvalidField("start.command", "must not be empty");
  if (spec.command.size() > init_protocol::kMaxArguments) {
    return errors::InvalidField(
        "start.command",
        absl::StrCat("must not have more than ", init_protocol::kMaxArguments, " items"));
  }
  if (spec.env.size() > init_protocol::kMaxEnvironment) {
    return errors::InvalidField(
        "start.env",
        absl::StrCat("must not have more than ", init_protocol::kMaxEnvironment, " entries"));
  }
  EncodedExec encoded = {};
  PADDOCK_RETURN_IF_ERROR(Append("start.user", spec.user, &encoded.payload));
  PADDOCK_RETURN_IF_ERROR(Append("start.cwd", Directory(spec), &encoded.payload));
  for (const std::string& argument : spec.command) {
    PADDOCK_RETURN_IF_ERROR(Append("start.command", argument, &encoded.payload));
  }
  PADDOCK_RETURN_IF_ERROR(AppendEnvironment(spec, &encoded.payload));
  Request& header = encoded.header;
  header.magic = init_protocol::kMagic;
  header.version = init_protocol::kVersion;
  header.type = static_cast<uint16_t>(RequestType::kExec);
  header.flags = (spec.tty ? init_protocol::kFlagTerminal : 0) |
                 (with_cgroup ? init_protocol::kFlagCgroup : 0) |
                 (spec.cwd.empty() ? init_protocol::kFlagDefaultDirectory : 0);
  header.payload_bytes = static_cast<uint32_t>(encoded.payload.size());
  header.argument_count = static_cast<uint32_t>(spec.command.size());
  header.environment_count = static_cast<uint32_t>(spec.env.size());
  header.rows = Cells(spec.rows, 24);
  header.columns = Cells(spec.cols, 80);
  return encoded;
}

EncodedExec OnInheritedStdio(EncodedExec encoded) {
  encoded.header.flags |= init_protocol::kFlagInherit;
  return encoded;
}

Request EncodeSignal(int signal) {
  Request request = {};
  request.magic = init_protocol::kMagic;
  request.version = init_protocol::kVersion;
  request.type = static_cast<uint16_t>(RequestType::kSignal);
  request.signal = signal;
  return request;
}

absl::StatusOr<Reply> ParseReply(absl::string_view packet, int fd_count, int expected_fds) {
  Reply reply = {};
  if (packet.size() == sizeof(reply)) {
    std::memcpy(&reply, packet.data(), sizeof(reply));
    if (IsWellFormed(reply, fd_count, expected_fds)) return reply;
  }
  return absl::InternalError("the sandbox's PID 1 sent a malformed answer");
}

absl::Status FailureStatus(const Reply& reply, const ExecSpec& spec) {
  switch (static_cast<Step>(reply.step)) {
    case Step::kTooMany:
      return errors::SandboxExhausted(
          absl::StrCat("it runs ", init_protocol::kMaxCommands, " commands already"));
    case Step::kFork:
      return reply.error == EAGAIN ? errors::PidsExhausted() : MachineryStatus("fork", reply.error);
    case Step::kUser:
      return errors::InvalidField(
          "start.user", absl::StrCat(Quoted(spec.user), " is not in the sandbox's /etc/passwd"));
    case Step::kGroup:
      return errors::InvalidField("start.user", absl::StrCat("the group of ", Quoted(spec.user),
                                                             " is not in the sandbox's "
                                                             "/etc/group"));
    case Step::kIdentity:
      if (reply.error != EINVAL) return MachineryStatus("changing the user", reply.error);
      return errors::InvalidField(
          "start.user",
          absl::StrCat(Quoted(spec.user), " is outside of the sandbox's range of ids"));
    case Step::kDirectory:
      return errors::InvalidField(
          "start.cwd",
          absl::StrCat(
              "the working directory ", Quoted(Directory(spec)),
              reply.error == ENOENT ? " isn't there" : absl::StrCat(": ", ErrorText(reply.error))));
    case Step::kTerminal:
      return MachineryStatus("opening a terminal in the sandbox", reply.error);
    case Step::kStreams:
      return MachineryStatus("making the command's pipes", reply.error);
    case Step::kPayload:
      return MachineryStatus("reading the command", reply.error);
    case Step::kCgroup:
      return MachineryStatus("joining the command's cgroup", reply.error);
    case Step::kRequest:
    case Step::kNone:
      return MachineryStatus("the sandbox's PID 1 refused the request", reply.error);
  }
  return absl::InternalError("the sandbox's PID 1 failed in an unknown step");
}

}  // namespace paddock::nodeagent
