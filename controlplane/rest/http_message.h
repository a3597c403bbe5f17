// Requests and answers as the HTTP server hands them over, without any HTTP library.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "controlplane/core/authenticator.h"

namespace paddock {

struct HttpRequest {
  std::string method;  // Upper case, as it was sent.
  std::string target;  // Path and query, as they were sent.
  Credentials credentials;
  std::string workspace;  // Of the header anthropic-workspace-id; empty when absent.
  std::string body;       // Whole.
};

struct HttpAnswer {
  int status = 200;
  std::string content_type = "application/json";
  // Beside content-type, content-length and date; names in lower case.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

// The writing end of one stream of events. Thread-safe; may be used after the client has gone.
class EventSink {
 public:
  virtual ~EventSink() = default;
  // Answers with `head`, whose body is what was and will be sent. Once.
  virtual void Start(HttpAnswer head) = 0;
  // One or more whole frames. A client that falls too far behind is cut.
  virtual void Send(std::string frames) = 0;
  // Nothing follows what was sent.
  virtual void End() = 0;
  // `callback` runs once, when the stream is over for whatever reason; it must not block. At once
  // if that is so already.
  virtual void OnClosed(absl::AnyInvocable<void()> callback) = 0;
};

// What one request is answered with: by Answer, or by a stream that is started. Exactly one of the
// two, once, on any thread, also when the client has gone.
class Responder {
 public:
  virtual ~Responder() = default;
  virtual void Answer(HttpAnswer answer) = 0;
  virtual std::shared_ptr<EventSink> Events() = 0;
};

}  // namespace paddock
