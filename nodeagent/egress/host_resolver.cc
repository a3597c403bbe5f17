#include "nodeagent/egress/host_resolver.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/egress/dns_answer.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxInFlight = 8192;  // More than the bounds of sessions come to.
constexpr size_t kMaxKnown = 16384;
constexpr absl::Duration kKeepAtMost = absl::Minutes(1);
constexpr absl::Duration kKeepAtLeast = absl::Seconds(1);
constexpr absl::Duration kKeepFailure = absl::Seconds(1);

}  // namespace

void HostResolver::Resolve(const std::string& name, Done done) {
  auto known = known_.find(name);
  if (known != known_.end()) {
    if (Clock::Real()->Monotonic() < known->second.until) {
      Answer answer = known->second.answer;  // `done` may change what is known.
      done(answer);
      return;
    }
    known_.erase(known);
  }
  auto running = look_ups_.find(name);
  if (running != look_ups_.end()) {
    running->second.waiting.push_back(std::move(done));
    return;
  }
  if (look_ups_.size() >= kMaxInFlight) {
    done(absl::UnavailableError("too many names are being looked up"));
    return;
  }
  look_ups_[name].waiting.push_back(std::move(done));
  absl::Status status = Ask(name, DnsTransport::kUdp);
  if (!status.ok()) Finish(name, status, absl::ZeroDuration());
}

absl::Status HostResolver::Ask(const std::string& name, DnsTransport transport) {
  auto upstream = std::make_unique<DnsUpstream>(
      loop_, AddressQuery(name), transport, resolvers_,
      [this, name, transport](const std::string& packet) { OnAnswer(name, transport, packet); });
  absl::Status started = upstream->Start();
  look_ups_[name].upstream = std::move(upstream);
  return started;
}

void HostResolver::OnAnswer(const std::string& name, DnsTransport transport,
                            const std::string& packet) {
  // Both lie in what is destroyed below.
  const std::string host = name;  // NOLINT(performance-unnecessary-copy-initialization)
  std::unique_ptr<DnsUpstream> answered = std::move(look_ups_[host].upstream);
  if (packet.empty()) {
    return Finish(host, absl::UnavailableError(absl::StrCat("no resolver answers for ", host)),
                  kKeepFailure);
  }
  absl::StatusOr<DnsAddresses> answer = ParseDnsAddresses(packet);
  if (answer.ok() && answer->truncated && transport == DnsTransport::kUdp) {
    absl::Status status = Ask(host, DnsTransport::kTcp);
    if (!status.ok()) Finish(host, status, absl::ZeroDuration());
    return;
  }
  if (!answer.ok()) return Finish(host, answer.status(), kKeepFailure);
  constexpr int kNoSuchName = static_cast<int>(DnsRcode::kNoSuchName);
  if (answer->rcode != 0 && answer->rcode != kNoSuchName) {
    return Finish(host,
                  absl::UnavailableError(absl::StrCat("the resolver can't answer for ", host,
                                                      " (code ", answer->rcode, ")")),
                  kKeepFailure);
  }
  if (answer->addresses.empty()) {
    bool missing = answer->rcode == kNoSuchName;
    return Finish(host,
                  absl::NotFoundError(absl::StrCat(
                      "the name ", host, missing ? " doesn't exist" : " has no IPv4 address")),
                  kKeepFailure);
  }
  absl::Duration keep = absl::Seconds(answer->ttl);
  Finish(host, ResolvedHost{std::move(answer->addresses), std::move(answer->aliases)},
         std::clamp(keep, kKeepAtLeast, kKeepAtMost));
}

void HostResolver::Finish(const std::string& name, const Answer& answer, absl::Duration keep) {
  auto look_up = look_ups_.extract(name);
  if (look_up.empty()) return;
  if (known_.size() >= kMaxKnown) known_.clear();
  if (keep > absl::ZeroDuration()) {
    known_.insert_or_assign(name, Known{answer, Clock::Real()->Monotonic() + keep});
  }
  for (const Done& done : look_up.mapped().waiting) done(answer);
}

}  // namespace paddock::nodeagent
