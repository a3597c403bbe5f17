#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/privileged/crafted_hello.h"
#include "tests/privileged/egress_fixture.h"

namespace paddock::nodeagent {

// One way around a limited session's policy, as a value: what a program inside tries, and how it
// must end. `%` in a part of what the far side mustn't see is nothing special.
struct BypassCase {
  std::string name;                 // Of the test.
  std::vector<std::string> probe;   // Arguments of the probe, see probe.cc.
  std::vector<std::string> shows;   // Parts of what it must print.
  std::vector<std::string> hides;   // Parts that it mustn't.
  std::vector<std::string> seen;    // What the pretend internet's journals must hold afterwards.
  std::vector<std::string> unseen;  // What they mustn't.
  std::optional<LimitedSession::Expected> event = std::nullopt;
  // Instead of an event: the sandbox's own kernel refuses it, so that there is no packet to tell
  // of.
  bool refused_inside = false;
};

inline std::ostream& operator<<(std::ostream& out, const BypassCase& one) {
  return out << one.name;
}

inline std::string BypassName(const ::testing::TestParamInfo<BypassCase>& info) {
  return info.param.name;
}

// The probe's operation that sends bytes: "send=", "each=".
inline std::string Sends(const std::string& bytes, const char* how = "send") {
  return std::string(how) + "=" + ToHex(bytes);
}

// A request with these header lines, each with its own line end.
inline std::string Request(const std::string& line, const std::string& headers) {
  return line + "\r\n" + headers + "\r\n";
}

inline CraftedHello HelloFor(const std::string& server_name) {
  CraftedHello hello;
  hello.server_name = server_name;
  return hello;
}

// Runs every case in a session of its own.
class BypassSuite : public EgressTest, public ::testing::WithParamInterface<BypassCase> {
 protected:
  static void SetUpTestSuite() { MakeWorld(SandboxHost::Root::kProbe); }
  void Try(const BypassCase& one);
};

}  // namespace paddock::nodeagent
