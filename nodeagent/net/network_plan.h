#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Names and addresses of one agent's network; pure. Several agents share a machine, each with an
// instance name and a subnet of its own:
//
//   subnet + 1        host's end of the uplink veth
//   subnet + 2        router's end of the uplink veth
//   subnet + 3        gateway: what sandboxes have as default route and name server
//   subnet + 16 + i   sandbox in slot i
class NetworkPlan {
 public:
  // `instance`: 1 to 10 characters of [a-z0-9-]. `subnet`: IPv4, prefix length 8 to 24, for example
  // "10.201.0.0/16", outside of kSyntheticNetwork. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<NetworkPlan> Create(absl::string_view instance, absl::string_view subnet);

  const std::string& instance() const { return instance_; }
  int prefix() const { return prefix_; }
  std::string Subnet() const;
  // Whether the address (host byte order) lies in the subnet or among the synthetic ones.
  bool Contains(uint32_t address) const;
  std::string HostAddress() const { return AddressAt(1); }
  std::string RouterAddress() const { return AddressAt(2); }
  std::string GatewayAddress() const { return AddressAt(3); }
  std::string SlotAddress(int index) const { return AddressAt(kFirstSlot + index); }
  // How many slots the subnet has room for.
  int MaxSlots() const;

  // What names mean inside of limited sandboxes: addresses that lead to the gateway, never further.
  // The first network of the block for benchmarks (RFC 2544), which nobody has services in and
  // programs don't take for a private one. The sinkhole stands for every name that isn't allowed.
  static constexpr char kSyntheticNetwork[] = "198.18.0.0/16";
  static constexpr int kSyntheticPrefix = 16;
  static constexpr uint32_t kSinkhole = 198u << 24 | 18u << 16 | 1;
  static constexpr uint32_t kSyntheticNames = 4096;
  static constexpr uint32_t SyntheticAddress(uint32_t index) {
    return (198u << 24 | 18u << 16 | 16u << 8) + index;
  }
  // Where the gateway listens for them, at the router's 127.0.0.1.
  static constexpr int kEgressPort = 15001;

  // Interface of the uplink in the host's namespace; unique on the machine.
  std::string HostInterface() const;
  // Interface of the uplink in the router namespace.
  static constexpr char kRouterInterface[] = "uplink";
  // Our nftables table in the host's namespace, and the one in the router namespace.
  std::string HostTable() const;
  static constexpr char kRouterTable[] = "paddock";

 private:
  static constexpr int kFirstSlot = 16;
  NetworkPlan(std::string instance, uint32_t base, int prefix)
      : instance_(std::move(instance)), base_(base), prefix_(prefix) {}
  std::string AddressAt(int offset) const;

  std::string instance_;
  uint32_t base_;  // Host byte order.
  int prefix_;
};

}  // namespace paddock::nodeagent
