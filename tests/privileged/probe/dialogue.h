#pragma once

#include <string>

// What a hostile client would do on one connection, as a script, and how it ended. Results are
// lines on standard output:
//
//   connected                        failed ERRNO
//   reply TEXT (escaped)             silence (nothing came within the time)
//   closed                           reset ERRNO
//
// Operations: send=HEX; each=HEX (a segment a byte); split=N:HEX (segments of N bytes); shut (ends
// our direction); recv=MS (waits for bytes, the end or the time); all=MS (until the end or the
// time, says how many bytes in "received N"); repeat=N:HEX (N times).
void Dialogue(const std::string& host, int port, int operations, char** operation);

// The IPv4 address that the sandbox's resolver gives, "" if it gives none. Literals are themselves.
std::string ResolveName(const std::string& name);

// "\x41" style for what isn't printable.
std::string Escaped(const std::string& bytes);
std::string FromHex(const std::string& hex);
