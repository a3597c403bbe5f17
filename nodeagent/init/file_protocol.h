#pragma once

#include <stdint.h>

// Formats of the file commands of the sandbox program (`init cat|write|list`): what they read from
// standard input, write to standard output, and say on standard error when they fail. Shared by the
// program and the agent; needs nothing but the C library.
namespace paddock::nodeagent::file_protocol {

inline constexpr uint32_t kMagic = 0x31454650;  // "PFE1" in memory

// Where a file command failed.
enum class Step : uint32_t {
  kNone = 0,
  kUsage = 1,    // malformed arguments
  kOpen = 2,     // the path itself: not there, no permission, too many links
  kKind = 3,     // there, but not a regular file (or not a directory, for list)
  kRead = 4,     // reading the file or the directory
  kParents = 5,  // making missing parent directories
  kCreate = 6,   // the temporary file
  kInput = 7,    // the input ended without its end mark, or is malformed
  kWrite = 8,    // the data, the mode, the owner, or making it durable
  kPublish = 9,  // giving the file its name
  kOutput = 10,  // whoever reads our output went away
};
inline constexpr uint32_t kLastStep = 10;

// The only thing that a failed command writes to standard error; it then exits with kFailedCode.
struct ErrorRecord {
  uint32_t magic;
  uint32_t step;  // Step
  int32_t error;  // errno
};
static_assert(sizeof(ErrorRecord) == 12, "the wire format has no holes");
inline constexpr int kFailedCode = 1;

// Standard input of `write`: frames of a 4-byte length and that many bytes. A length of 0 is the
// end mark; 8 bytes with the total follow it. An input that ends without it changes nothing.
inline constexpr uint32_t kMaxFrameBytes = 16 * 1024 * 1024;

enum class EntryType : uint8_t {
  kEnd = 0,  // The end mark: `size` is the number of entries, the names are empty.
  kFile = 1,
  kDirectory = 2,
  kSymlink = 3,
  kFifo = 4,
  kSocket = 5,
  kCharDevice = 6,
  kBlockDevice = 7,
};
inline constexpr uint8_t kLastEntryType = 7;

// Standard output of `list`: entries, each with its name and its link's target behind it (no
// terminators), the end mark last. In the directory's own order; "." and ".." are left out.
struct EntryHeader {
  uint64_t size;
  int64_t modified_seconds;  // since the epoch
  uint32_t modified_nanos;
  uint32_t mode;          // permission bits, with setuid, setgid and sticky
  uint16_t name_bytes;    // 1 to 255
  uint16_t target_bytes;  // at most 4095; 0 unless a symbolic link
  uint8_t type;           // EntryType
  uint8_t reserved[3];
};
static_assert(sizeof(EntryHeader) == 32, "the wire format has no holes");
inline constexpr uint16_t kMaxNameBytes = 255;
inline constexpr uint16_t kMaxTargetBytes = 4095;

}  // namespace paddock::nodeagent::file_protocol
