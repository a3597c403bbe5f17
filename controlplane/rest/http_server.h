#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "controlplane/rest/http_limits.h"
#include "controlplane/rest/http_message.h"

namespace paddock {

// HTTP/1.1 over TLS on a port of its own: reads requests, hands them to a handler and writes their
// answers. A small, fixed number of threads, whatever the number of connections. Certificate and
// key are read again when their files change. Thread-safe.
class HttpServer {
 public:
  struct Options {
    std::string listen;  // host:port, the host an address or `localhost`; port 0 takes a free one.
    std::string certificate_file;
    std::string key_file;
    int threads = 2;
    HttpLimits limits;
  };
  // Runs on the server's threads and must not block.
  using Handler = std::function<void(HttpRequest, std::shared_ptr<Responder>)>;
  // The answer to what can't be read as a request.
  using Refuser = std::function<HttpAnswer(const absl::Status&)>;

  // INVALID_ARGUMENT for an address, certificate or key that can't be used; UNAVAILABLE when the
  // port can't be bound.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options, Handler handler,
                                                           Refuser refuser);
  // As Drain(0). What is answered later is dropped.
  ~HttpServer();

  int port() const;
  // Connections that are open.
  size_t connections() const;

  // Takes no more connections, ends idle ones and streams at once, lets answers under way go out
  // for `patience`, then ends all. Idempotent.
  void Drain(absl::Duration patience);

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  const std::unique_ptr<Impl> impl_;
};

}  // namespace paddock
