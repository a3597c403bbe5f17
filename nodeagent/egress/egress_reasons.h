#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// What users read when something was refused: what it was, and which setting would allow it. Pure.

std::string NameNotAllowed(absl::string_view name);
std::string PortNotAllowed(absl::string_view name, int port);
// A blocklist has the name, whatever the environment says.
std::string NameBlocked(absl::string_view name);
// The same of a name that the resolver found `name`'s addresses under.
std::string AliasBlocked(absl::string_view name, absl::string_view alias);
std::string AddressBlocked(absl::string_view name, uint32_t address);
// The operator's file has an error: what isn't to be reached isn't known.
std::string OperatorFileRefused();
std::string TooManyConnections(int limit);
// Too many bytes wait to be judged.
std::string TooMuchHeld();
std::string RecordTypeRefused(int type);
// A packet to the name server that is no look-up, or one too many.
std::string LookUpRefused(absl::string_view why);
// The first look-up of an allowed name.
std::string LookUpAnswered(uint32_t synthetic_address);
// A synthetic address that none of the session's names has.
std::string NobodysAddress(uint32_t address);
// The policy let a connection pass, but the process that relayed it ended.
std::string GatewayEnded();
// Packets that the rules refused; `verdict` as the rules' log prefix names it.
std::string PacketRefused(absl::string_view verdict);

// The body of an HTTP answer to a refused request.
std::string HttpRefusal(int status, absl::string_view reason);
// A fatal TLS alert: access_denied for what the policy refuses, else internal_error.
std::string TlsRefusal(bool denied);

}  // namespace paddock::nodeagent
