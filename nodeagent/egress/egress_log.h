#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "nodeagent/egress/gateway_client.h"

namespace paddock::nodeagent {

// The newest egress events of one session. What a session can cause without end is bounded: of
// refusals that are alike (protocol, name, address, port and reason) only the first within a second
// is kept, as long as they come among fewer than kMaxRecent kinds, and beyond a rate events of
// every kind are left out, which one event says. Kept in a file by Flush, to be called now and
// then; a process that dies in between loses the events since, but no sequence is ever used twice.
// Not thread-safe.
class EgressLog {
 public:
  static constexpr size_t kMaxEvents = 2000;
  static constexpr size_t kMaxRecent = 256;

  // A log without events of a session that is new.
  EgressLog(std::string path, Clock* clock) : path_(std::move(path)), clock_(clock) {}
  // The log of a session that an earlier process knew.
  static absl::StatusOr<EgressLog> Load(std::string path, Clock* clock);

  // Sets sequence and time.
  void Add(EgressEvent event);
  // The same, unless one that is alike was kept less than a second ago.
  void AddUnlessAlike(EgressEvent event);
  // Events above `after_sequence`, at most `limit`.
  EgressPage After(int64_t after_sequence, int limit) const;
  // Writes what has come since the last time.
  absl::Status Flush();
  bool dirty() const { return written_ < next_ - 1; }

 private:
  // Whether the rate allows one more.
  bool Admit(absl::Duration now);
  bool IsRepeated(const EgressEvent& event);
  void Append(EgressEvent event);

  std::string path_;
  Clock* clock_;
  std::deque<EgressEvent> events_;
  int64_t next_ = 1;     // Sequence of the next event.
  int64_t written_ = 0;  // Sequence of the last one in the file.
  size_t lines_ = 0;     // In the file.
  double tokens_ = kBurst;
  absl::Duration last_refill_;
  int64_t left_out_ = 0;
  absl::flat_hash_map<std::string, absl::Duration> recent_;  // By what they are about.

  static constexpr double kBurst = 500;
};

}  // namespace paddock::nodeagent
