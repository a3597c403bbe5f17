#include "controlplane/rest/http_connection.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/errors.h"
#include "controlplane/rest/http_events.h"

namespace paddock {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

// Beside a header of the largest size, what is read ahead of a body.
constexpr size_t kReadAhead = 64 << 10;
constexpr size_t kFirstRead = 4096;

std::string ToString(beast::string_view text) { return std::string(text.data(), text.size()); }

HttpRequest ToRequest(http::request<http::string_body>& message) {
  HttpRequest request;
  request.method = ToString(message.method_string());
  request.target = ToString(message.target());
  request.credentials.api_key = ToString(message["x-api-key"]);
  if (request.credentials.api_key.empty()) {
    request.credentials.api_key = BearerToken(ToString(message[http::field::authorization]));
  }
  const auto betas =
      message.equal_range(beast::string_view(kBetaHeader.data(), kBetaHeader.size()));
  for (auto beta = betas.first; beta != betas.second; ++beta) {
    request.credentials.betas.push_back(ToString(beta->value()));
  }
  request.workspace = ToString(message["anthropic-workspace-id"]);
  request.body = std::move(message.body());
  return request;
}

// The client is there and waits: what it sent is wrong.
bool IsParseError(const boost::system::error_code& error) {
  return error.category() == make_error_code(http::error::bad_method).category() &&
         error != http::error::end_of_stream;
}

// The client has ended its direction, with TLS's close_notify or with nothing but TCP's FIN, and
// may still listen.
bool IsCut(const boost::system::error_code& error) {
  return error == http::error::partial_message || error == asio::ssl::error::stream_truncated;
}

}  // namespace

HttpConnection::HttpConnection(std::shared_ptr<HttpCore> core, asio::ip::tcp::socket socket,
                               std::shared_ptr<asio::ssl::context> tls)
    : core_(std::move(core)),
      tls_(std::move(tls)),
      stream_(beast::tcp_stream(std::move(socket)), *tls_),
      buffer_(core_->limits.header_bytes + kReadAhead) {}

HttpConnection::~HttpConnection() { core_->Remove(this); }

template <typename Task>
void HttpConnection::Post(Task task) {
  if (core_->ended()) return;
  asio::post(stream_.get_executor(),
             [self = shared_from_this(), task = std::move(task)]() mutable { task(self.get()); });
}

void HttpConnection::Limit(absl::Duration time) {
  socket().expires_after(absl::ToChronoNanoseconds(time));
}

void HttpConnection::Start() {
  Post([](HttpConnection* self) {
    Error ignored;
    self->socket().socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    self->Limit(self->core_->limits.handshake);
    self->stream_.async_handshake(asio::ssl::stream_base::server,
                                  [self = self->shared_from_this()](Error error) {
                                    if (error) return self->Close();
                                    self->WaitForRequest();
                                  });
  });
}

void HttpConnection::Drain() {
  Post([](HttpConnection* self) {
    self->keep_alive_ = false;
    if (self->state_ == State::kHandshake || self->state_ == State::kIdle) self->Close();
    if (self->state_ == State::kStreaming) self->EndStream();
  });
}

void HttpConnection::Abort() {
  Post([](HttpConnection* self) { self->Close(); });
}

// ---- Reading

void HttpConnection::WaitForRequest() {
  if (core_->draining()) return ShutDown();
  state_ = State::kIdle;
  parser_.reset();
  out_ = std::string();
  if (buffer_.size() > 0) return ReadHeader();
  // Thousands of idle connections shouldn't each keep the memory of their largest request.
  buffer_.consume(buffer_.size());
  buffer_.shrink_to_fit();
  Limit(core_->limits.idle);
  stream_.async_read_some(buffer_.prepare(kFirstRead),
                          [self = shared_from_this()](Error error, size_t bytes) {
                            if (error) return self->Close();
                            self->buffer_.commit(bytes);
                            self->ReadHeader();
                          });
}

void HttpConnection::ReadHeader() {
  if (state_ == State::kClosed) return;
  state_ = State::kReading;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(core_->limits.header_bytes));
  parser_->body_limit(core_->limits.body_bytes);
  unread_body_ = true;
  Limit(core_->limits.header);
  http::async_read_header(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](Error error, size_t) { self->OnHeader(error); });
}

void HttpConnection::OnHeader(Error error) {
  if (error) return RefuseAfter(error);
  const absl::Status checked = CheckHeader();
  if (!checked.ok()) return Refuse(checked);
  const bool waits = beast::iequals(parser_->get()[http::field::expect], "100-continue");
  if (!waits || parser_->is_done()) return ReadBody();
  out_ = "HTTP/1.1 100 Continue\r\n\r\n";
  Limit(core_->limits.write);
  asio::async_write(stream_, asio::buffer(out_),
                    [self = shared_from_this()](Error write_error, size_t) {
                      if (write_error) return self->Close();
                      self->ReadBody();
                    });
}

absl::Status HttpConnection::CheckHeader() const {
  const auto& message = parser_->get();
  if (message.count(http::field::transfer_encoding) > 0) {
    return errors::MalformedRequest(
        "transfer-encoding isn't taken: send the body whole, with content-length");
  }
  const beast::string_view encoding = message[http::field::content_encoding];
  if (!encoding.empty() && !beast::iequals(encoding, "identity")) {
    return errors::MalformedRequest("content-encoding isn't taken: send the body as it is");
  }
  return absl::OkStatus();
}

void HttpConnection::ReadBody() {
  Limit(core_->limits.body);
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](Error error, size_t) { self->OnBody(error); });
}

void HttpConnection::OnBody(Error error) {
  if (error) return RefuseAfter(error);
  unread_body_ = false;
  Dispatch();
}

void HttpConnection::Dispatch() {
  state_ = State::kHandling;
  auto& message = parser_->get();
  keep_alive_ = message.keep_alive() && message.version() == 11;
  head_only_ = message.method() == http::verb::head;
  socket().expires_never();
  HttpRequest request = ToRequest(message);
  parser_.reset();
  core_->handler(std::move(request), shared_from_this());
}

void HttpConnection::RefuseAfter(Error error) {
  if (IsCut(error)) {
    peer_ended_ = true;
    return Refuse(
        errors::MalformedRequest("the request ends before its header or its content-length does"));
  }
  if (!IsParseError(error)) return Close();
  if (error == http::error::header_limit) {
    return Refuse(errors::HeaderTooLarge(static_cast<int64_t>(core_->limits.header_bytes)));
  }
  if (error == http::error::body_limit) {
    return Refuse(errors::MessageTooLarge(static_cast<int64_t>(core_->limits.body_bytes)));
  }
  Refuse(errors::MalformedRequest(absl::StrCat("no valid HTTP/1.1 request: ", error.message())));
}

void HttpConnection::Refuse(const absl::Status& status) {
  state_ = State::kHandling;
  keep_alive_ = false;
  Write(core_->refuser(status));
}

// ---- Writing

void HttpConnection::Answer(HttpAnswer answer) {
  Post([answer = std::move(answer)](HttpConnection* self) { self->Write(answer); });
}

std::string HttpConnection::HeadOf(const HttpAnswer& answer, bool has_length) const {
  const beast::string_view reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(answer.status)));
  std::string head = absl::StrCat(
      "HTTP/1.1 ", answer.status, " ", absl::string_view(reason.data(), reason.size()),
      "\r\ndate: ",
      absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", Clock::Real()->Now(), absl::UTCTimeZone()),
      "\r\ncontent-type: ", answer.content_type, "\r\n");
  for (const auto& [name, value] : answer.headers) {
    absl::StrAppend(&head, name, ": ", value, "\r\n");
  }
  if (has_length) {
    absl::StrAppend(&head, "content-length: ", answer.body.size(), "\r\n");
  } else {
    absl::StrAppend(&head, "transfer-encoding: chunked\r\n");
  }
  absl::StrAppend(&head, keep_alive_ ? "" : "connection: close\r\n", "\r\n");
  return head;
}

void HttpConnection::Write(const HttpAnswer& answer) {
  if (state_ != State::kHandling) return;
  state_ = State::kWriting;
  sink_.reset();
  frames_.clear();
  if (core_->draining()) keep_alive_ = false;
  out_ = HeadOf(answer, true);
  if (!head_only_) out_ += answer.body;
  Limit(core_->limits.write);
  asio::async_write(stream_, asio::buffer(out_),
                    [self = shared_from_this()](Error error, size_t) { self->OnWritten(error); });
}

void HttpConnection::OnWritten(Error error) {
  if (error) return Close();
  // Its end is read already; a second read would wait for an event that was delivered.
  if (peer_ended_) return Close();
  if (keep_alive_) return WaitForRequest();
  if (unread_body_) {
    Limit(core_->limits.linger);
    return Linger();
  }
  ShutDown();
}

// ---- Ending

void HttpConnection::ShutDown() {
  state_ = State::kWriting;
  Limit(core_->limits.linger);
  stream_.async_shutdown([self = shared_from_this()](Error) { self->Close(); });
}

// Closing a socket that has unread data resets the connection, and the client might lose the
// answer.
void HttpConnection::Linger() {
  buffer_.consume(buffer_.size());
  stream_.async_read_some(buffer_.prepare(kReadAhead),
                          [self = shared_from_this()](Error error, size_t bytes) {
                            self->lingered_ += bytes;
                            if (error || self->lingered_ > self->core_->limits.linger_bytes) {
                              return self->Close();
                            }
                            self->Linger();
                          });
}

void HttpConnection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (ping_.has_value()) ping_->cancel();
  Error ignored;
  socket().socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket().close();
  core_->Remove(this);
  if (sink_ != nullptr) sink_->Close();
  sink_.reset();
}

// ---- Events

std::shared_ptr<EventSink> HttpConnection::Events() {
  return std::make_shared<Sink>(shared_from_this());
}

void HttpConnection::BeginStream(const std::shared_ptr<Sink>& sink, const HttpAnswer& head) {
  if (state_ != State::kHandling) return sink->Close();
  state_ = State::kStreaming;
  keep_alive_ = false;
  sink_ = sink;
  // What was sent before waits in frames_.
  frames_.insert(0, HeadOf(head, false));
  WatchForTheEnd();
  SchedulePing();
  if (core_->draining()) EndStream();
  WriteFrames();
}

void HttpConnection::SendFrames(const std::string& frames) {
  if (state_ != State::kStreaming && state_ != State::kHandling) return;
  if (ending_ || frames.empty()) return;
  absl::StrAppend(&frames_, absl::StrCat(absl::Hex(frames.size())), "\r\n", frames, "\r\n");
  if (frames_.size() > core_->limits.unsent_event_bytes) return Close();
  WriteFrames();
}

void HttpConnection::EndStream() {
  if (ending_) return;
  ending_ = true;
  frames_ += "0\r\n\r\n";
  WriteFrames();
}

void HttpConnection::WriteFrames() {
  if (state_ != State::kStreaming || writing_frames_ || frames_.empty()) return;
  writing_frames_ = true;
  out_ = std::exchange(frames_, std::string());
  Limit(core_->limits.write);
  asio::async_write(stream_, asio::buffer(out_), [self = shared_from_this()](Error error, size_t) {
    self->writing_frames_ = false;
    if (error) return self->Close();
    if (self->ending_ && self->frames_.empty()) return self->Close();
    self->WriteFrames();
  });
}

// Nothing is expected from the client any more but its end.
void HttpConnection::WatchForTheEnd() {
  socket().expires_never();
  stream_.async_read_some(asio::buffer(ignored_),
                          [self = shared_from_this()](Error error, size_t bytes) {
                            self->lingered_ += bytes;
                            if (error || self->lingered_ > kReadAhead) return self->Close();
                            self->WatchForTheEnd();
                          });
}

void HttpConnection::SchedulePing() {
  if (!ping_.has_value()) ping_.emplace(stream_.get_executor());
  ping_->expires_after(absl::ToChronoNanoseconds(core_->limits.event_ping));
  ping_->async_wait([self = shared_from_this()](Error error) {
    if (error || self->state_ != State::kStreaming) return;
    self->SendFrames(": still here\n\n");
    self->SchedulePing();
  });
}

}  // namespace paddock
