#include "nodeagent/egress/client_inspector.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/egress/http_client_stream.h"
#include "nodeagent/egress/tls_client_stream.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxLine = 64 * 1024;
constexpr uint8_t kTlsHandshake = 22;
constexpr uint8_t kTlsMajor = 3;
constexpr absl::string_view kProxySignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr absl::string_view kProxyWord = "PROXY ";
constexpr absl::string_view kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",   "DELETE",
                                          "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"};

uint8_t ByteAt(absl::string_view bytes, size_t offset) {
  return static_cast<uint8_t>(bytes[offset]);
}

bool IsTokenCharacter(char c) {
  return absl::ascii_isalnum(c) || absl::StrContains("!#$%&'*+-.^_`|~", c);
}

// Whether `word` is one of HTTP's methods, or, unless it is `whole`, may become one.
bool IsMethod(absl::string_view word, bool whole) {
  return std::any_of(std::begin(kMethods), std::end(kMethods), [&](absl::string_view method) {
    return absl::StartsWithIgnoreCase(method, word) && (!whole || method.size() == word.size());
  });
}

// The first line without what HTTP servers skip before it.
absl::string_view SkipBlank(absl::string_view bytes) {
  size_t start = bytes.find_first_not_of("\r\n \t");
  return start == absl::string_view::npos ? absl::string_view() : bytes.substr(start);
}

FirstBytes ClassifyLine(absl::string_view bytes) {
  absl::string_view line = SkipBlank(bytes);
  if (line.empty())
    return bytes.size() > kMaxLine ? FirstBytes::kForbidden : FirstBytes::kUndecided;
  size_t word_size = 0;
  while (word_size < line.size() && IsTokenCharacter(line[word_size])) ++word_size;
  if (word_size == 0) return FirstBytes::kOther;
  bool word_ended = word_size < line.size();
  bool spaced = word_ended && (line[word_size] == ' ' || line[word_size] == '\t');
  if (word_ended && !spaced) {
    // No request line; but a line end right after a word may be the end of any text protocol's
    // line.
    return FirstBytes::kOther;
  }
  if (spaced && IsMethod(line.substr(0, word_size), true)) return FirstBytes::kHttp;
  size_t end = line.find_first_of("\r\n");
  absl::string_view text = line.substr(0, end);
  bool binary = std::any_of(text.begin(), text.end(),
                            [](char c) { return c != '\t' && absl::ascii_iscntrl(c); });
  if (binary) return FirstBytes::kOther;
  if (absl::StrContains(absl::AsciiStrToLower(text), "http/")) return FirstBytes::kHttp;
  if (end != absl::string_view::npos) return FirstBytes::kOther;
  return text.size() > kMaxLine ? FirstBytes::kForbidden : FirstBytes::kUndecided;
}

}  // namespace

FirstBytes ClassifyFirstBytes(absl::string_view bytes) {
  if (bytes.empty()) return FirstBytes::kUndecided;
  if (ByteAt(bytes, 0) == kTlsHandshake) {
    if (bytes.size() < 2) return FirstBytes::kUndecided;
    return ByteAt(bytes, 1) == kTlsMajor ? FirstBytes::kTls : FirstBytes::kOther;
  }
  // SSL 2: two bytes of length, then the ClientHello's type and a version of 2 or 3.
  if (ByteAt(bytes, 0) & 0x80) {
    if (bytes.size() >= 3 && ByteAt(bytes, 2) != 1) return FirstBytes::kOther;
    if (bytes.size() < 4) return FirstBytes::kUndecided;
    bool version = ByteAt(bytes, 3) == 2 || ByteAt(bytes, 3) == kTlsMajor || ByteAt(bytes, 3) == 0;
    return version ? FirstBytes::kForbidden : FirstBytes::kOther;
  }
  if (absl::StartsWith(bytes, kProxySignature)) return FirstBytes::kForbidden;
  if (absl::StartsWith(kProxySignature, bytes)) return FirstBytes::kUndecided;
  if (absl::StartsWith(SkipBlank(bytes), kProxyWord)) return FirstBytes::kForbidden;
  return ClassifyLine(bytes);
}

absl::Status ClientInspector::Feed(absl::string_view bytes, std::string* out) {
  if (stream_ != nullptr) return stream_->Feed(bytes, out);
  if (other_) {
    out->append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  held_.append(bytes.data(), bytes.size());
  asked_ = false;
  switch (ClassifyFirstBytes(held_)) {
    case FirstBytes::kUndecided:
      return absl::OkStatus();
    case FirstBytes::kForbidden:
      return absl::PermissionDeniedError(
          "these first bytes could make the server see another client or host than there is");
    case FirstBytes::kOther:
      other_ = true;
      out->append(held_, released_, std::string::npos);
      held_ = std::string();
      return absl::OkStatus();
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

absl::Status ClientInspector::SeeServer(absl::string_view bytes, std::string* out) {
  return stream_ == nullptr ? absl::OkStatus() : stream_->SeeServer(bytes, out);
}

bool ClientInspector::transparent() const {
  return other_ || (stream_ != nullptr && stream_->transparent());
}

bool ClientInspector::wants_input() const { return stream_ == nullptr || stream_->wants_input(); }

bool ClientInspector::incomplete() const {
  return stream_ == nullptr ? undecided() : stream_->incomplete();
}

absl::Status ClientInspector::Finish(std::string* out) {
  if (undecided()) {
    out->append(held_, released_, std::string::npos);
    held_ = std::string();
    other_ = true;
  }
  if (!incomplete()) return absl::OkStatus();
  return absl::PermissionDeniedError("the client ended in the middle of a request");
}

void ClientInspector::ReleaseUndecided(std::string* out) {
  asked_ = true;
  absl::string_view line = SkipBlank(held_);
  // A single byte of TLS or SSL 2, and blanks that HTTP would skip, must stay.
  if (!undecided() || line.empty() || !IsTokenCharacter(line.front())) return;
  size_t word = 0;
  while (word < line.size() && IsTokenCharacter(line[word])) ++word;
  if (IsMethod(line.substr(0, word), word < line.size())) return;
  if (absl::StartsWith(kProxyWord, line)) return;
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

int ClientInspector::upgrades_removed() const {
  const auto* http = dynamic_cast<const HttpClientStream*>(stream_.get());
  return http == nullptr ? 0 : http->upgrades_removed();
}

}  // namespace paddock::nodeagent
