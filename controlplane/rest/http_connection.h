#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <memory>
#include <optional>
#include <string>

#include "controlplane/rest/http_core.h"
#include "controlplane/rest/http_message.h"

namespace paddock {

// One client's connection: handshake, then one request after the other, each read whole before it
// is handed to the core's handler and answered before the next is read; so pipelined requests wait
// in the client's send buffer. Everything runs on the connection's strand and holds no thread while
// it waits; Responder's methods may be called on any thread. Owned by its pending operations and
// by the answers that are still to come.
class HttpConnection final : public Responder, public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(std::shared_ptr<HttpCore> core, boost::asio::ip::tcp::socket socket,
                 std::shared_ptr<boost::asio::ssl::context> tls);
  ~HttpConnection() override;

  // Call once, after the core has taken it.
  void Start();
  // Ends when the answer under way is written; at once if there is none.
  void Drain();
  // Ends now.
  void Abort();

  void Answer(HttpAnswer answer) override;
  std::shared_ptr<EventSink> Events() override;

  // Null once it is being destroyed.
  std::shared_ptr<HttpConnection> Lock() { return weak_from_this().lock(); }

 private:
  class Sink;
  using Error = boost::system::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  enum class State { kHandshake, kIdle, kReading, kHandling, kWriting, kStreaming, kClosed };

  boost::beast::tcp_stream& socket() { return boost::beast::get_lowest_layer(stream_); }
  void Limit(absl::Duration time);
  // Runs `task` on the strand.
  template <typename Task>
  void Post(Task task);

  // Reading.
  void WaitForRequest();
  void ReadHeader();
  void OnHeader(Error error);
  absl::Status CheckHeader() const;
  void ReadBody();
  void OnBody(Error error);
  void Dispatch();
  // Answers what can't be read on, then ends.
  void Refuse(const absl::Status& status);
  void RefuseAfter(Error error);

  // Writing.
  std::string HeadOf(const HttpAnswer& answer, bool has_length) const;
  void Write(const HttpAnswer& answer);
  void OnWritten(Error error);

  // Events.
  void BeginStream(const std::shared_ptr<Sink>& sink, const HttpAnswer& head);
  void SendFrames(const std::string& frames);
  void EndStream();
  void WriteFrames();
  void WatchForTheEnd();
  void SchedulePing();

  // Ending.
  void ShutDown();
  void Linger();
  void Close();

  const std::shared_ptr<HttpCore> core_;  // First: what follows lives in its io_context.
  const std::shared_ptr<boost::asio::ssl::context> tls_;
  boost::beast::ssl_stream<boost::beast::tcp_stream> stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  State state_ = State::kHandshake;
  bool keep_alive_ = true;
  bool head_only_ = false;
  bool unread_body_ = false;
  bool peer_ended_ = false;  // It sends nothing any more.
  size_t lingered_ = 0;
  std::string out_;

  std::shared_ptr<Sink> sink_;
  std::optional<boost::asio::steady_timer> ping_;
  std::string frames_;  // Not sent yet.
  bool writing_frames_ = false;
  bool ending_ = false;
  std::array<char, 512> ignored_;
};

}  // namespace paddock
