#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// The relayed connections that are open, in a file of small records, so that the next gateway
// process can say which ones the end of this one has cut. Needn't survive a power cut: nothing that
// it speaks of does. Not thread-safe.
class ConnectionTable {
 public:
  struct Entry {
    uint32_t session_address = 0;  // Host byte order, as all addresses here.
    uint32_t name_address = 0;     // The synthetic address of the name in that session.
    uint32_t dialed = 0;           // 0: not yet connected.
    int port = 0;
    int64_t bytes_sent = 0;
    int64_t bytes_received = 0;

    friend bool operator==(const Entry& a, const Entry& b) {
      return a.session_address == b.session_address && a.name_address == b.name_address &&
             a.dialed == b.dialed && a.port == b.port && a.bytes_sent == b.bytes_sent &&
             a.bytes_received == b.bytes_received;
    }
  };
  // Reads what an earlier process has left in `path` into `left`, and begins anew.
  static absl::StatusOr<ConnectionTable> Open(const std::string& path, std::vector<Entry>* left);

  static constexpr int kNone = -1;
  // A slot for the connection; kNone if it can't be written.
  int Add(const Entry& entry);
  void Update(int slot, const Entry& entry);
  void Remove(int slot);

 private:
  explicit ConnectionTable(UniqueFd file) : file_(std::move(file)) {}
  bool Write(int slot, const Entry* entry) const;

  UniqueFd file_;
  std::vector<int> free_;  // Of the slots below next_.
  int next_ = 0;
};

}  // namespace paddock::nodeagent
