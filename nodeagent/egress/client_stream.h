#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Looks at what a client sends to one host, in one protocol, and decides what may go on; pure. The
// pieces in which bytes come never matter. A failure (PERMISSION_DENIED; the message is for the
// user) is final: nothing more may pass either way.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // Takes bytes of the client, appends those that may go to the server now.
  virtual absl::Status Feed(absl::string_view bytes, std::string* out) = 0;
  // Sees bytes of the server, which are passed on as they are; may append held bytes of the client.
  virtual absl::Status SeeServer(absl::string_view bytes, std::string* out) = 0;
  // All that follows may pass unseen.
  virtual bool transparent() const = 0;
  // False while more bytes of the client would only be held.
  virtual bool wants_input() const = 0;
  // A message has begun and isn't complete enough to be judged; the caller bounds that in time.
  virtual bool incomplete() const = 0;
  // Memory that holds bytes of the client; the caller bounds that, too.
  virtual size_t held() const = 0;
};

}  // namespace paddock::nodeagent
