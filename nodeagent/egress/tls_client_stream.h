#pragma once

#include <string>

#include "nodeagent/egress/client_stream.h"

namespace paddock::nodeagent {

// A client that speaks TLS from its first byte; pure, not thread-safe.
//
//   HELLO ─► SERVER ─► TRANSPARENT        the usual way
//              └─► SECOND_HELLO ─► TRANSPARENT   the server asked for another ClientHello
//
// Each ClientHello, however it is cut into segments and records, must name the host and hold no
// encrypted name. Nothing goes out before it is whole. A ClientHello without a name is refused on
// port 443; elsewhere clients that send none are common (databases, brokers), and the address is
// the host's own all the same.
class TlsClientStream : public ClientStream {
 public:
  TlsClientStream(std::string name, int port) : name_(std::move(name)), port_(port) {}
  absl::Status Feed(absl::string_view bytes, std::string* out) override;
  absl::Status SeeServer(absl::string_view bytes, std::string* out) override;
  bool transparent() const override { return state_ == State::kTransparent; }
  bool wants_input() const override { return state_ != State::kServer; }
  bool incomplete() const override {
    return state_ == State::kHello || (state_ == State::kSecondHello && !held_.empty());
  }
  size_t held() const override { return held_.capacity() + handshake_.capacity(); }
  // The server has asked for another ClientHello, so that an alert in place of its next message is
  // understood.
  bool answerable() const { return state_ == State::kSecondHello; }
  // The name in the first ClientHello once it has come; for refusals.
  const std::string& server_name() const { return server_name_; }

 private:
  enum class State { kHello, kServer, kSecondHello, kTransparent };
  // Reads records at the front of held_; moves what may pass to `out`.
  absl::Status ReadRecords(std::string* out);
  absl::Status Judge(absl::string_view message);

  const std::string name_;
  const int port_;
  State state_ = State::kHello;
  std::string held_;       // Records from the last one on that hasn't passed.
  size_t read_ = 0;        // How much of held_ is in handshake_ already, or needn't be.
  std::string handshake_;  // The handshake message as far as it has come.
  std::string server_head_;
  std::string server_name_;
};

}  // namespace paddock::nodeagent
