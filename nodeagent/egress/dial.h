#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nodeagent/egress/egress_services.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// One try to reach a host from the host's network namespace: looks its name up, leaves out what is
// blocked at this very moment, and tries the addresses in turn. Destroying it gives up. Lives in an
// event loop; not thread-safe.
class Dial {
 public:
  struct Connected {
    UniqueFd fd;  // Non-blocking, with the options of SetRelayOptions.
    uint32_t address = 0;
    std::vector<std::string> aliases;  // Other names that the address was found under.
  };
  // Called once, perhaps from within Start; it may destroy this object. PERMISSION_DENIED when all
  // its addresses or one of its aliases are blocked; else why it can't be reached.
  using Done = std::function<void(absl::StatusOr<Connected> connected)>;

  Dial(EgressServices* services, std::string name, int port, Done done);
  ~Dial();
  void Start();

 private:
  void OnAddresses(const HostResolver::Answer& answer);
  void TryNext();
  void OnWritable();
  void Close();
  void Finish(absl::StatusOr<Connected> connected);

  EgressServices* const services_;
  const std::string name_;
  const int port_;
  Done done_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // For what the resolver keeps.
  std::vector<uint32_t> addresses_;
  std::vector<std::string> aliases_;
  size_t next_ = 0;
  int last_error_ = 0;
  UniqueFd socket_;
  Deadlines::Timer timer_;
};

}  // namespace paddock::nodeagent
