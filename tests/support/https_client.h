#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace paddock::testing {

// An answer as it came. Names of headers are in lower case; of equal ones the last counts.
struct HttpsAnswer {
  int status = 0;  // 0: none came.
  std::map<std::string, std::string> headers;
  std::string body;
};

// One TLS connection to 127.0.0.1 that sends what it is told to, well-formed or not. Blocking, each
// read for a bounded time. Not thread-safe.
class HttpsClient {
 public:
  // `alpn` in the wire's form (length, name); empty: none is offered. Check connected().
  HttpsClient(int port, const std::string& ca_file, const std::string& alpn = "");
  ~HttpsClient();
  HttpsClient(const HttpsClient&) = delete;
  HttpsClient& operator=(const HttpsClient&) = delete;

  bool connected() const { return connected_; }
  // What ALPN agreed on.
  std::string protocol() const;

  // Sends as it is; false once the server has gone.
  bool Send(const std::string& bytes);
  // No more bytes follow, but answers may: with TLS's close_notify, or with a bare FIN.
  void EndSending();
  void EndSendingWithoutTls();
  // The next answer with its content-length, or its chunks to the end.
  HttpsAnswer Read();
  // The header of an answer; what follows is read by ReadSome.
  HttpsAnswer ReadHead();
  // What comes next, some bytes; empty once the server has gone, or nothing came in time.
  std::string ReadSome();
  // Whether the server ends the connection within `time`.
  bool EndsWithin(absl::Duration time);

  // A whole request, its answer.
  HttpsAnswer Ask(const std::string& method, const std::string& target,
                  const std::vector<std::string>& headers, const std::string& body = "");

 private:
  bool Fill();

  int socket_ = -1;
  SSL* ssl_ = nullptr;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace paddock::testing
