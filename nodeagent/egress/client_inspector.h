#pragma once

#include <memory>
#include <string>

#include "nodeagent/egress/client_stream.h"
#include "nodeagent/egress/request_line_watch.h"

namespace paddock::nodeagent {

// What the first bytes of a client are.
enum class FirstBytes {
  kUndecided,  // More of them are needed: a line that could become an HTTP request's.
  kTls,
  kHttp,
  kOther,      // Nothing of these so far: it passes as it comes, and RequestLineWatch looks at it.
  kForbidden,  // They pretend to another address (the PROXY protocol), or are SSL 2's ClientHello.
};
FirstBytes ClassifyFirstBytes(absl::string_view bytes);

// Finds out what a client speaks and looks at it accordingly; pure, not thread-safe. What is
// neither TLS nor HTTP passes as it comes.
class ClientInspector : public ClientStream {
 public:
  // The host that the client is connected to, normalized.
  ClientInspector(std::string name, int port) : name_(std::move(name)), port_(port) {}
  absl::Status Feed(absl::string_view bytes, std::string* out) override;
  absl::Status SeeServer(absl::string_view bytes, std::string* out) override;
  bool transparent() const override;
  bool wants_input() const override;
  bool incomplete() const override;
  size_t held() const override {
    return held_.capacity() + (stream_ == nullptr ? 0 : stream_->held());
  }

  // Bytes are held that may yet become an HTTP request.
  bool undecided() const { return stream_ == nullptr && watch_ == nullptr && !held_.empty(); }
  const std::string& undecided_bytes() const { return held_; }
  // The server has spoken, but an answer in its place to what is refused is understood.
  bool answerable() const;
  // It is known that the client begins neither as TLS nor as HTTP does.
  bool other() const { return watch_ != nullptr; }
  // Lets an undecided line go on, so that a client that waits for an answer to half a line gets it;
  // the line's end is still awaited and judged before anything after it passes. Not of a line that
  // begins as HTTP's own methods do.
  void ReleaseUndecided(std::string* out);
  // Whether that is yet to be asked for what is held now.
  bool releasable() const { return undecided() && !asked_; }
  // All that is held went out so.
  bool released() const { return undecided() && released_ == held_.size(); }
  // The client has finished sending. What is held then goes out where it can't become a request any
  // more; a message that was begun stays and is refused.
  absl::Status Finish(std::string* out);
  // "tcp" until it is known, "tls", "http".
  const char* protocol() const;
  // The host that the client named itself, if it did.
  std::string wanted_name() const;
  // How many requests went on without the upgrade that they offered.
  int upgrades_removed() const;

 private:
  // Passes what RequestLineWatch lets pass, but for the first `released` bytes, which have.
  absl::Status FeedOther(absl::string_view bytes, size_t released, std::string* out);

  const std::string name_;
  const int port_;
  std::string held_;
  size_t released_ = 0;  // How much of held_ has gone out.
  bool asked_ = false;
  const char* protocol_ = "tcp";
  std::unique_ptr<ClientStream> stream_;
  std::unique_ptr<RequestLineWatch> watch_;
};

}  // namespace paddock::nodeagent
