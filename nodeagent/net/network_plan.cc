#include "nodeagent/net/network_plan.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/status_macros.h"
#include "nodeagent/net/ipv4.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxInstanceLength = 10;  // "pdk-" + it is an interface name of at most 15.

bool ValidInstance(absl::string_view instance) {
  if (instance.empty() || instance.size() > kMaxInstanceLength) return false;
  return std::all_of(instance.begin(), instance.end(), [](char c) {
    return absl::ascii_isdigit(c) || absl::ascii_islower(c) || c == '-';
  });
}

}  // namespace

absl::StatusOr<NetworkPlan> NetworkPlan::Create(absl::string_view instance,
                                                absl::string_view subnet) {
  if (!ValidInstance(instance)) {
    return absl::InvalidArgumentError(
        absl::StrCat("instance \"", instance, "\": 1 to 10 characters of [a-z0-9-]"));
  }
  std::vector<std::string> parts = absl::StrSplit(subnet, '/');
  int prefix = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[1], &prefix) || prefix < 8 || prefix > 24) {
    return absl::InvalidArgumentError(
        absl::StrCat("subnet \"", subnet, "\": an IPv4 network with a prefix of 8 to 24"));
  }
  PADDOCK_ASSIGN_OR_RETURN(uint32_t base, ParseIpv4(parts[0]));
  if ((base & PrefixMask(prefix)) != base) {
    return absl::InvalidArgumentError(absl::StrCat("subnet \"", subnet, "\" has host bits"));
  }
  PADDOCK_ASSIGN_OR_RETURN(Ipv4Range synthetic, ParseIpv4Network(kSyntheticNetwork));
  if (base <= synthetic.last && synthetic.first <= (base | ~PrefixMask(prefix))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "subnet \"", subnet, "\" overlaps the synthetic addresses, ", kSyntheticNetwork));
  }
  return NetworkPlan(std::string(instance), base, prefix);
}

std::string NetworkPlan::Subnet() const { return absl::StrCat(FormatIpv4(base_), "/", prefix_); }

bool NetworkPlan::Contains(uint32_t address) const {
  return (address & PrefixMask(prefix_)) == base_ ||
         (address & PrefixMask(kSyntheticPrefix)) == (kSinkhole & PrefixMask(kSyntheticPrefix));
}

int NetworkPlan::MaxSlots() const {
  // The last address is the subnet's broadcast address. Uid ranges end it at 65,535 anyway.
  return std::min((1 << (32 - prefix_)) - kFirstSlot - 1, 1 << 16);
}

std::string NetworkPlan::HostInterface() const { return absl::StrCat("pdk-", instance_); }

std::string NetworkPlan::HostTable() const { return absl::StrCat("paddock-", instance_); }

std::string NetworkPlan::AddressAt(int offset) const { return FormatIpv4(base_ + offset); }

}  // namespace paddock::nodeagent
