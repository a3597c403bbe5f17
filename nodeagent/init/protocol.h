#pragma once

#include <stdint.h>

// What the agent and PID 1 of a sandbox say to each other. Both sides include this header; it needs
// nothing but the C library, because PID 1 is built without the C++ runtime.
//
// Transport: AF_UNIX SOCK_SEQPACKET, one connection a command, one packet a message, byte order and
// alignment of the machine (both ends are on it). The agent makes the listening socket; PID 1
// inherits it as kListenFd, so an agent that restarts connects again.
//
//   agent                                        PID 1 (P) or the command before it executes (C)
//   Request{kExec} + payload memfd [+ cgroup.procs]
//                                        ──►
//                                        ◄──     C: Reply{kStarted, pid} + stdio descriptors
//                                                or Reply{kFailed, step, error}, and the end
//   Request{kSignal, signal}             ──►     any number of times, never answered
//                                        ◄──     P: Reply{kExited, code | signal}, and the end
//
// Descriptors of kStarted: with a terminal its master; else stdin's write end, stdout's and
// stderr's read ends. They are made inside the sandbox, so that the command's user owns them
// (`echo > /dev/stderr` works) and terminals count against the sandbox's own devpts.
//
// The payload lies in a memfd, so PID 1 itself neither reads nor holds anything of unbounded size:
// it is read by the forked child. It is a run of NUL-terminated strings: user, directory,
// `argument_count` arguments, `environment_count` NAME=value strings, and nothing after them.
//
// When the agent closes the connection, PID 1 forgets the command; the owner of its cgroup ends it.
//
// Where PID 1 doesn't answer, or can't be given a socket, the agent has the OCI runtime execute the
// same program inside the sandbox as a helper, for one command: it finds one end of a connection as
// kHelperFd, serves it as PID 1 would, and ends with it. Where descriptors can't come out of the
// sandbox either, the helper was given the command's stdio as its own (kFlagInherit), and where an
// exec has no cgroup in which it could be killed, the helper kills everything that descends from it
// when the agent closes the connection before the command has ended (kHelperKills).
namespace paddock::nodeagent::init_protocol {

inline constexpr uint32_t kMagic = 0x314b4450;  // "PDK1" in memory
inline constexpr uint16_t kVersion = 1;

inline constexpr int kListenFd = 3;
inline constexpr int kHelperFd = 3;
// Where the runtime mounts the program inside the sandbox. A command with this as its first
// argument runs PID 1's own program, whatever happened to the path.
inline constexpr char kProgramPath[] = "/.paddock/init";
// Its first argument: PID 1 without a socket, which only reaps; a helper; one that kills.
inline constexpr char kReaper[] = "reap";
inline constexpr char kHelper[] = "exec";
inline constexpr char kHelperKills[] = "exec-kill";

inline constexpr uint32_t kMaxPayloadBytes = 1024 * 1024;
inline constexpr uint32_t kMaxArguments = 65536;
inline constexpr uint32_t kMaxEnvironment = 4096;
inline constexpr int kMaxCommands = 1024;  // Connections that one PID 1 serves at once.

enum class RequestType : uint16_t { kExec = 1, kSignal = 2 };

inline constexpr uint32_t kFlagTerminal = 1;
inline constexpr uint32_t kFlagCgroup = 2;  // A second descriptor, an open cgroup.procs, follows.
// The command takes the server's own descriptors 0, 1 and 2; kStarted brings none. With a terminal
// they are that, and it is the server's controlling one.
inline constexpr uint32_t kFlagInherit = 4;
// The directory is a default that nobody named: where it isn't there, the command starts in /.
inline constexpr uint32_t kFlagDefaultDirectory = 8;

struct Request {
  uint32_t magic;
  uint16_t version;
  uint16_t type;  // RequestType
  uint32_t flags;
  uint32_t payload_bytes;
  uint32_t argument_count;
  uint32_t environment_count;
  uint16_t rows;
  uint16_t columns;
  int32_t signal;  // kSignal only
};
static_assert(sizeof(Request) == 32, "the wire format has no holes");

enum class ReplyType : uint16_t { kStarted = 1, kExited = 2, kFailed = 3 };

// Where a command failed before it could run.
enum class Step : uint16_t {
  kNone = 0,
  kRequest = 1,   // malformed or too large
  kTooMany = 2,   // kMaxCommands are running
  kFork = 3,      // EAGAIN: the process limit
  kCgroup = 4,    // joining the command's cgroup
  kPayload = 5,   // reading the payload
  kUser = 6,      // unknown user
  kGroup = 7,     // unknown group
  kIdentity = 8,  // taking on the user's identity
  kDirectory = 9,
  kTerminal = 10,
  kStreams = 11,
};
inline constexpr uint16_t kLastStep = 11;

struct Reply {
  uint32_t magic;
  uint16_t version;
  uint16_t type;   // ReplyType
  int32_t pid;     // kStarted: as the sandbox numbers it
  int32_t code;    // kExited
  int32_t signal;  // kExited: not 0 when a signal ended it
  int32_t error;   // kFailed: errno
  uint16_t step;   // kFailed: Step
  uint16_t reserved;
};
static_assert(sizeof(Reply) == 28, "the wire format has no holes");

}  // namespace paddock::nodeagent::init_protocol
