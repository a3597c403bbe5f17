#include "nodeagent/egress/client_inspector.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "nodeagent/egress/http_client_stream.h"
#include "nodeagent/egress/request_line.h"
#include "nodeagent/egress/tls_client_stream.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxLine = 64 * 1024;
// A first word beyond this isn't kept: no client's method is so long, though some servers take any.
constexpr size_t kMaxWord = 256;
// Types of TLS records: ChangeCipherSpec, alert, handshake, data, heartbeat.
constexpr uint8_t kFirstRecordType = 20;
constexpr uint8_t kLastRecordType = 24;
constexpr uint8_t kTlsMajor = 3;
// Some servers take a first record of any lower version, and any below this (Go's).
constexpr uint8_t kNoTlsMajor = 16;
constexpr size_t kRecordHeader = 5;
constexpr size_t kSsl2Head = 4;
constexpr absl::string_view kProxySignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr absl::string_view kProxyWord = "PROXY ";

uint8_t ByteAt(absl::string_view bytes, size_t offset) {
  return static_cast<uint8_t>(bytes[offset]);
}

bool IsRecordType(absl::string_view bytes) {
  return !bytes.empty() && ByteAt(bytes, 0) >= kFirstRecordType &&
         ByteAt(bytes, 0) <= kLastRecordType;
}

// A record of a version that doesn't exist.
bool MayBeOddRecord(absl::string_view bytes) {
  return IsRecordType(bytes) && bytes.size() > 1 && ByteAt(bytes, 1) != kTlsMajor &&
         ByteAt(bytes, 1) < kNoTlsMajor;
}

// SSL 2: two bytes of length, the first with its high bit, then the ClientHello's type and a
// version of 2 or 3.
bool MayBeSsl2(absl::string_view bytes) {
  return !bytes.empty() && (ByteAt(bytes, 0) & 0x80) != 0 &&
         (bytes.size() < kSsl2Head - 1 || ByteAt(bytes, kSsl2Head - 2) == 1);
}

FirstBytes ClassifyLine(absl::string_view bytes) {
  absl::string_view line = SkipBlank(bytes);
  if (line.empty())
    return bytes.size() > kMaxLine ? FirstBytes::kForbidden : FirstBytes::kUndecided;
  size_t word_size = 0;
  while (word_size < line.size() && IsTokenCharacter(line[word_size])) ++word_size;
  if (word_size == 0) return FirstBytes::kOther;
  if (word_size > kMaxWord) return FirstBytes::kOther;
  // A line end right after a word may be the end of any text protocol's line.
  if (word_size < line.size() && !IsBlank(line[word_size])) return FirstBytes::kOther;
  size_t end = line.find('\n');
  absl::string_view text = line.substr(0, end);
  // The CR of a line's end, which may not be here yet.
  absl::string_view inner = absl::StripSuffix(text, "\r");
  if (inner.size() > word_size && IsMethod(line.substr(0, word_size))) {
    return FirstBytes::kHttp;
  }
  // Whatever else is in it: a server that is lenient enough takes it for a request.
  if (HasHttpVersion(text.substr(0, kMaxLine + 1))) return FirstBytes::kHttp;
  if (text.size() > kMaxLine) return FirstBytes::kOther;
  if (end == absl::string_view::npos) return FirstBytes::kUndecided;
  return IsOldOrForeignRequest(text) ? FirstBytes::kHttp : FirstBytes::kOther;
}

}  // namespace

FirstBytes ClassifyFirstBytes(absl::string_view bytes) {
  if (bytes.empty()) return FirstBytes::kUndecided;
  if (IsRecordType(bytes)) {
    if (bytes.size() < 2) return FirstBytes::kUndecided;
    if (ByteAt(bytes, 1) == kTlsMajor) return FirstBytes::kTls;
    // The type of a ClientHello and the level of a warning are the same.
    if (MayBeOddRecord(bytes)) {
      if (bytes.size() <= kRecordHeader) return FirstBytes::kUndecided;
      if (ByteAt(bytes, kRecordHeader) == 1) return FirstBytes::kTls;
    }
  }
  if (MayBeSsl2(bytes)) {
    if (bytes.size() < kSsl2Head) return FirstBytes::kUndecided;
    uint8_t version = ByteAt(bytes, kSsl2Head - 1);
    if (version == 2 || version == kTlsMajor || version == 0) return FirstBytes::kForbidden;
  }
  // What isn't SSL 2 is a line still: two of the blanks have the high bit, too.
  if (absl::StartsWith(bytes, kProxySignature)) return FirstBytes::kForbidden;
  if (absl::StartsWith(kProxySignature, bytes)) return FirstBytes::kUndecided;
  if (absl::StartsWith(SkipBlank(bytes), kProxyWord)) return FirstBytes::kForbidden;
  return ClassifyLine(bytes);
}

absl::Status ClientInspector::Feed(absl::string_view bytes, std::string* out) {
  if (stream_ != nullptr) return stream_->Feed(bytes, out);
  if (watch_ != nullptr) return FeedOther(bytes, 0, out);
  held_.append(bytes.data(), bytes.size());
  asked_ = false;
  switch (ClassifyFirstBytes(held_)) {
    case FirstBytes::kUndecided:
      return absl::OkStatus();
    case FirstBytes::kForbidden:
      return absl::PermissionDeniedError(
          "these first bytes could make the server see another client or host than there is");
    case FirstBytes::kOther:
      watch_ = std::make_unique<RequestLineWatch>();
      return FeedOther(std::exchange(held_, std::string()), released_, out);
    case FirstBytes::kTls:
      protocol_ = "tls";
      stream_ = std::make_unique<TlsClientStream>(name_, port_);
      break;
    case FirstBytes::kHttp:
      protocol_ = "http";
      stream_ = std::make_unique<HttpClientStream>(name_, released_);
      break;
  }
  std::string held = std::move(held_);
  held_ = std::string();
  return stream_->Feed(held, out);
}

absl::Status ClientInspector::FeedOther(absl::string_view bytes, size_t released,
                                        std::string* out) {
  const size_t passes = watch_->Feed(bytes);
  if (passes > released) out->append(bytes.data() + released, passes - released);
  if (passes == bytes.size()) return absl::OkStatus();
  protocol_ = "http";
  return absl::PermissionDeniedError(
      "HTTP request with a malformed request line, one that is too long, or a line before it");
}

absl::Status ClientInspector::SeeServer(absl::string_view bytes, std::string* out) {
  if (stream_ != nullptr) return stream_->SeeServer(bytes, out);
  if (watch_ != nullptr && !bytes.empty()) watch_->SeeServer();
  return absl::OkStatus();
}

bool ClientInspector::transparent() const {
  if (watch_ != nullptr) return watch_->done();
  return stream_ != nullptr && stream_->transparent();
}

bool ClientInspector::wants_input() const { return stream_ == nullptr || stream_->wants_input(); }

bool ClientInspector::incomplete() const {
  return stream_ == nullptr ? undecided() : stream_->incomplete();
}

absl::Status ClientInspector::Finish(std::string* out) {
  if (undecided()) {
    out->append(held_, released_, std::string::npos);
    held_ = std::string();
  }
  if (!incomplete()) return absl::OkStatus();
  return absl::PermissionDeniedError("the client ended in the middle of a request");
}

void ClientInspector::ReleaseUndecided(std::string* out) {
  asked_ = true;
  absl::string_view line = SkipBlank(held_);
  if (!undecided()) return;
  // What may be TLS or SSL 2, and blanks that HTTP would skip, must stay. A record of an odd
  // version is refused in any case once it is known to be one.
  if (!MayBeOddRecord(held_)) {
    if (MayBeSsl2(held_) || line.empty() || !IsTokenCharacter(line.front())) return;
    size_t word = 0;
    while (word < line.size() && IsTokenCharacter(line[word])) ++word;
    if (word < line.size() ? IsMethod(line.substr(0, word)) : MayBecomeMethod(line)) return;
    if (absl::StartsWith(kProxyWord, line)) return;
  }
  out->append(held_, released_, std::string::npos);
  released_ = held_.size();
}

const char* ClientInspector::protocol() const { return protocol_; }

std::string ClientInspector::wanted_name() const {
  if (const auto* tls = dynamic_cast<const TlsClientStream*>(stream_.get())) {
    return tls->server_name();
  }
  if (const auto* http = dynamic_cast<const HttpClientStream*>(stream_.get())) return http->host();
  return "";
}

bool ClientInspector::answerable() const {
  const auto* tls = dynamic_cast<const TlsClientStream*>(stream_.get());
  if (tls != nullptr) return tls->answerable();
  const auto* http = dynamic_cast<const HttpClientStream*>(stream_.get());
  return http != nullptr && http->answerable();
}

int ClientInspector::upgrades_removed() const {
  const auto* http = dynamic_cast<const HttpClientStream*>(stream_.get());
  return http == nullptr ? 0 : http->upgrades_removed();
}

}  // namespace paddock::nodeagent
