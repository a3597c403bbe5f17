#pragma once

#include <string>

// What a name server answered.
struct LookUpAnswer {
  int rcode = -1;  // -1: nothing came; -2: refused or reset.
  int answers = 0;
  std::string address;  // Of the first A record.
};

// The first name server of /etc/resolv.conf.
std::string SandboxResolver();
// Asks `server` for records of a type; labels are split at dots, and may be anything otherwise.
LookUpAnswer AskFor(const std::string& server, const std::string& name, int type, bool tcp);
// Sends bytes as they are to its port 53, and reads one answer.
LookUpAnswer AskRaw(const std::string& server, const std::string& packet, bool tcp);
