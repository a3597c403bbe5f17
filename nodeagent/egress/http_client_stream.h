#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "nodeagent/egress/client_stream.h"

namespace paddock::nodeagent {

// A client that speaks HTTP/1 in the clear; pure, not thread-safe. The Host of every request on the
// connection must be the name.
//
//   HEAD ─► BODY (by length or in chunks) ─► HEAD …
//     └──► UPGRADE ─► TRANSPARENT (the server agreed to WebSocket), or HEAD
//
// An upgrade passes only if it is to WebSocket, and only as the first request of a connection, when
// what the server says first is surely its answer. Any other offer (h2c above all) is taken out of
// the request, as RFC 9110, 7.8 lets an intermediary do, so that clients that offer it by default
// go on with HTTP/1.1.
class HttpClientStream : public ClientStream {
 public:
  // `passed`: how many bytes of what will be fed first have reached the server already.
  HttpClientStream(std::string name, size_t passed) : name_(std::move(name)), passed_(passed) {}
  absl::Status Feed(absl::string_view bytes, std::string* out) override;
  absl::Status SeeServer(absl::string_view bytes, std::string* out) override;
  bool transparent() const override { return state_ == State::kTransparent; }
  bool wants_input() const override { return state_ != State::kUpgrade; }
  bool incomplete() const override {
    return (state_ == State::kHead || state_ == State::kChunkSize || state_ == State::kTrailers) &&
           !held_.empty();
  }
  size_t held() const override { return held_.capacity() + response_.capacity(); }
  // The Host of the last head that was read; for refusals.
  const std::string& host() const { return host_; }
  // The newest request began when all before it had been answered, as far as can be told: the
  // server was the last to speak. An answer to that request, in place of the server's, is
  // understood.
  bool answerable() const { return answerable_; }
  // How many requests went on without the upgrade that they offered.
  int upgrades_removed() const { return upgrades_removed_; }

 private:
  enum class State {
    kHead,
    kLength,
    kChunkSize,
    kChunk,
    kChunkEnd,
    kTrailers,
    kUpgrade,
    kTransparent
  };
  absl::string_view rest() const { return absl::string_view(held_).substr(at_); }
  // Each handles what it can at the front of rest(); false if that needs more bytes.
  absl::StatusOr<bool> Step(std::string* out);
  absl::StatusOr<bool> ReadHead(std::string* out);
  absl::StatusOr<bool> ReadChunkSize(std::string* out);
  absl::StatusOr<bool> ReadTrailers(std::string* out);
  // Passes `size` bytes on.
  void Pass(size_t size, std::string* out);
  bool PassBody(std::string* out);

  const std::string name_;
  size_t passed_;
  State state_ = State::kHead;
  std::string held_;
  size_t at_ = 0;           // What lies before it in held_ is done with.
  uint64_t remaining_ = 0;  // Of the body or the chunk.
  std::string host_;
  std::string response_;  // The server's answer to an upgrade as far as it has come.
  bool first_ = true;
  bool server_last_ = false;  // The server has spoken since anything was passed on.
  bool answerable_ = false;
  int upgrades_removed_ = 0;
};

}  // namespace paddock::nodeagent
