#include "nodeagent/egress/http_client_stream.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/egress/http_head.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxHead = 64 * 1024;
constexpr size_t kMaxChunkLine = 4096;
constexpr size_t kMaxChunkDigits = 15;
constexpr absl::string_view kLineEnd = "\r\n";
constexpr absl::string_view kHeadEnd = "\r\n\r\n";
// "HTTP/1.1 101 "
constexpr size_t kStatusLine = 13;

absl::Status Refuse(absl::string_view why) { return absl::PermissionDeniedError(why); }

}  // namespace

absl::Status HttpClientStream::Feed(absl::string_view bytes, std::string* out) {
  if (state_ == State::kTransparent && held_.empty()) {
    out->append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  if (state_ == State::kHead && held_.empty()) answerable_ = server_last_;
  held_.append(bytes.data(), bytes.size());
  while (!rest().empty()) {
    PADDOCK_ASSIGN_OR_RETURN(bool moved, Step(out));
    if (!moved) break;
  }
  held_.erase(0, at_);
  at_ = 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> HttpClientStream::Step(std::string* out) {
  switch (state_) {
    case State::kHead:
      return ReadHead(out);
    case State::kLength:
    case State::kChunk:
      return PassBody(out);
    case State::kChunkSize:
      return ReadChunkSize(out);
    case State::kChunkEnd:
      if (rest().size() < 2) return false;
      if (!absl::StartsWith(rest(), "\r\n")) return Refuse("HTTP request with a malformed chunk");
      Pass(2, out);
      state_ = State::kChunkSize;
      return true;
    case State::kTrailers:
      return ReadTrailers(out);
    case State::kUpgrade:
      return false;
    case State::kTransparent:
      Pass(rest().size(), out);
      return true;
  }
  return absl::InternalError("state");
}

void HttpClientStream::Pass(size_t size, std::string* out) {
  server_last_ = answerable_ = false;
  size_t skip = std::min(size, passed_);
  passed_ -= skip;
  out->append(held_, at_ + skip, size - skip);
  at_ += size;
}

bool HttpClientStream::PassBody(std::string* out) {
  size_t size = static_cast<size_t>(std::min<uint64_t>(remaining_, rest().size()));
  Pass(size, out);
  remaining_ -= size;
  if (remaining_ == 0) state_ = state_ == State::kLength ? State::kHead : State::kChunkEnd;
  return true;
}

absl::StatusOr<bool> HttpClientStream::ReadHead(std::string* out) {
  // Empty lines between requests mean nothing, and what means nothing isn't passed on.
  while (passed_ == 0 && absl::StartsWith(rest(), "\r\n")) at_ += 2;
  size_t end = rest().find(kHeadEnd);
  // Told at once, because a head with a bare LF might never end.
  for (size_t at = rest().find('\n'); at < end; at = rest().find('\n', at + 1)) {
    if (at == 0 || rest()[at - 1] != '\r') return Refuse("HTTP request with a bare LF");
  }
  if (end == absl::string_view::npos || end > kMaxHead) {
    if (rest().size() > kMaxHead) return Refuse("HTTP request with a head above 64 KiB");
    // Told at once, too: who sends such a line may wait for an answer to it.
    size_t line_end = rest().find(kLineEnd);
    if (line_end == absl::string_view::npos) return false;
    absl::Status line = CheckHttpRequestLine(rest().substr(0, line_end));
    if (!line.ok()) return Refuse(line.message());
    return false;
  }
  size_t size = end + kHeadEnd.size();
  absl::string_view head = rest().substr(0, size);
  absl::StatusOr<HttpRequestHead> parsed = ParseHttpRequestHead(head);
  if (!parsed.ok()) return Refuse(parsed.status().message());
  host_ = parsed->host;
  if (host_ != name_) {
    return Refuse(absl::StrCat("the HTTP Host \"", host_, "\" is not \"", name_,
                               "\", the host that was connected to"));
  }
  bool websocket = parsed->websocket && first_;
  if ((parsed->websocket || parsed->other_upgrade) && !websocket) {
    ++upgrades_removed_;
    if (passed_ > 0) return Refuse("HTTP request with an upgrade that isn't to WebSocket");
    *out += WithoutUpgrade(head);
    server_last_ = answerable_ = false;
    at_ += size;
  } else {
    Pass(size, out);
  }
  first_ = false;
  remaining_ = parsed->length;
  switch (parsed->body) {
    case HttpRequestHead::Body::kNone:
      state_ = websocket ? State::kUpgrade : State::kHead;
      break;
    case HttpRequestHead::Body::kLength:
      state_ = State::kLength;
      break;
    case HttpRequestHead::Body::kChunked:
      state_ = State::kChunkSize;
      break;
  }
  if (websocket && state_ != State::kUpgrade) return Refuse("HTTP upgrade request with a body");
  return true;
}

absl::StatusOr<bool> HttpClientStream::ReadChunkSize(std::string* out) {
  size_t end = rest().find('\n');
  if (end == absl::string_view::npos || end > kMaxChunkLine) {
    if (rest().size() > kMaxChunkLine) return Refuse("HTTP request with an endless chunk size");
    return false;
  }
  absl::string_view line = rest().substr(0, end);
  size_t digits = 0;
  while (digits < line.size() && absl::ascii_isxdigit(line[digits])) ++digits;
  // After the digits only an extension, without anything that could be taken for a line's end.
  absl::string_view rest = line.substr(digits);
  bool whole = !rest.empty() && rest.back() == '\r';
  if (whole) rest.remove_suffix(1);
  bool plain = std::none_of(rest.begin(), rest.end(),
                            [](char c) { return c != '\t' && absl::ascii_iscntrl(c); });
  bool extension = rest.empty() || rest.front() == ';';
  uint64_t size = 0;
  if (digits == 0 || digits > kMaxChunkDigits || !whole || !plain || !extension ||
      !absl::SimpleHexAtoi(line.substr(0, digits), &size)) {
    return Refuse("HTTP request with a malformed chunk size");
  }
  Pass(end + 1, out);
  remaining_ = size;
  state_ = size > 0 ? State::kChunk : State::kTrailers;
  return true;
}

absl::StatusOr<bool> HttpClientStream::ReadTrailers(std::string* out) {
  size_t size = 2;
  if (!absl::StartsWith(rest(), "\r\n")) {
    size_t end = rest().find(kHeadEnd);
    if (end == absl::string_view::npos || end > kMaxHead) {
      if (rest().size() > kMaxHead) return Refuse("HTTP request with endless trailers");
      return false;
    }
    size = end + kHeadEnd.size();
  }
  absl::Status status = CheckHttpTrailers(rest().substr(0, size));
  if (!status.ok()) return Refuse(status.message());
  Pass(size, out);
  state_ = State::kHead;
  return true;
}

absl::Status HttpClientStream::SeeServer(absl::string_view bytes, std::string* out) {
  if (bytes.empty()) return absl::OkStatus();
  server_last_ = true;
  if (!held_.empty()) answerable_ = false;
  if (state_ != State::kUpgrade) return absl::OkStatus();
  response_.append(bytes.data(), std::min(bytes.size(), kMaxHead));
  while (response_.size() >= kStatusLine) {
    absl::string_view line = response_;
    bool informational = absl::StartsWith(line, "HTTP/1.1 1");
    if (absl::StartsWith(line, "HTTP/1.1 101 ") || !informational) {
      state_ = informational ? State::kTransparent : State::kHead;
      response_.clear();
      return Feed("", out);
    }
    // An interim answer; the final one is behind it.
    size_t end = absl::string_view(response_).find(kHeadEnd);
    if (end == std::string::npos) {
      if (response_.size() > kMaxHead) return Refuse("HTTP answer with a head above 64 KiB");
      return absl::OkStatus();
    }
    response_.erase(0, end + kHeadEnd.size());
  }
  return absl::OkStatus();
}

}  // namespace paddock::nodeagent
