#include "nodeagent/egress/tls_client_stream.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/egress/client_hello.h"
#include "nodeagent/egress/egress_policy.h"

namespace paddock::nodeagent {
namespace {

constexpr int kHttpsPort = 443;
constexpr size_t kRecordHeader = 5;
constexpr size_t kMaxRecord = 16384 + 256;
constexpr size_t kMessageHeader = 4;
constexpr size_t kMaxHello = 64 * 1024;
constexpr size_t kMaxHeld = kMaxHello + 16 * 1024;  // With the headers of records.
constexpr uint8_t kHandshake = 22;
constexpr uint8_t kClientHello = 1;
constexpr uint8_t kServerHello = 2;
// Where a ServerHello's random stands, and what it is in a HelloRetryRequest (RFC 8446, 4.1.3).
constexpr size_t kServerRandom = kRecordHeader + kMessageHeader + 2;
constexpr absl::string_view kRetryRandom =
    "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
    "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";

uint8_t ByteAt(absl::string_view bytes, size_t offset) {
  return static_cast<uint8_t>(bytes[offset]);
}

}  // namespace

absl::Status TlsClientStream::Feed(absl::string_view bytes, std::string* out) {
  switch (state_) {
    case State::kTransparent:
      out->append(bytes.data(), bytes.size());
      return absl::OkStatus();
    case State::kServer:
      held_.append(bytes.data(), bytes.size());
      return absl::OkStatus();
    case State::kHello:
    case State::kSecondHello:
      held_.append(bytes.data(), bytes.size());
      return ReadRecords(out);
  }
  return absl::InternalError("state");
}

absl::Status TlsClientStream::ReadRecords(std::string* out) {
  size_t passed = 0;
  while (state_ == State::kHello || state_ == State::kSecondHello) {
    absl::string_view rest = absl::string_view(held_).substr(read_);
    if (rest.size() < kRecordHeader) break;
    size_t length = ByteAt(rest, 3) << 8 | ByteAt(rest, 4);
    if (ByteAt(rest, 1) != 3 || length == 0 || length > kMaxRecord) {
      return absl::PermissionDeniedError("malformed TLS record");
    }
    const bool handshake = ByteAt(rest, 0) == kHandshake;
    // Early data and the like, which a server throws away once it asked for a second ClientHello.
    const bool between = state_ == State::kSecondHello && handshake_.empty();
    if (!handshake && !between) {
      return absl::PermissionDeniedError("TLS begins with no ClientHello");
    }
    if (read_ - passed > kMaxHeld) return absl::PermissionDeniedError("ClientHello is too long");
    if (rest.size() < kRecordHeader + length) break;
    read_ += kRecordHeader + length;
    if (!handshake) {
      out->append(held_, passed, read_ - passed);
      passed = read_;
      continue;
    }
    handshake_.append(rest.data() + kRecordHeader, length);
    if (handshake_.size() < kMessageHeader) continue;
    size_t size = ByteAt(handshake_, 1) << 16 | ByteAt(handshake_, 2) << 8 | ByteAt(handshake_, 3);
    if (ByteAt(handshake_, 0) != kClientHello) {
      return absl::PermissionDeniedError("TLS begins with no ClientHello");
    }
    if (size > kMaxHello) return absl::PermissionDeniedError("ClientHello is too long");
    if (handshake_.size() < kMessageHeader + size) continue;
    if (handshake_.size() > kMessageHeader + size) {
      return absl::PermissionDeniedError("another message in the ClientHello's record");
    }
    PADDOCK_RETURN_IF_ERROR(Judge(absl::string_view(handshake_).substr(kMessageHeader)));
    out->append(held_, passed, read_ - passed);
    passed = read_;
    handshake_ = std::string();
    state_ = state_ == State::kHello ? State::kServer : State::kTransparent;
  }
  if (state_ == State::kTransparent) {
    out->append(held_, passed, std::string::npos);
    held_ = std::string();
    return absl::OkStatus();
  }
  held_.erase(0, passed);
  read_ -= passed;
  return absl::OkStatus();
}

absl::Status TlsClientStream::Judge(absl::string_view message) {
  absl::StatusOr<ClientHello> hello = ParseClientHello(message);
  if (!hello.ok()) return absl::PermissionDeniedError(hello.status().message());
  if (hello->server_name) server_name_ = *hello->server_name;
  if (hello->encrypted_client_hello) {
    return absl::PermissionDeniedError(
        "the TLS ClientHello has an encrypted server name (ECH), which can't be checked; switch "
        "ECH "
        "off in the client");
  }
  if (!hello->server_name) {
    if (port_ != kHttpsPort) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("the TLS ClientHello names no server (SNI); it must name \"", name_, "\""));
  }
  if (NormalizeName(*hello->server_name) == name_) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("the TLS server name (SNI) \"", server_name_,
                                                  "\" is not \"", name_,
                                                  "\", the host that was connected to"));
}

absl::Status TlsClientStream::SeeServer(absl::string_view bytes, std::string* out) {
  if (state_ != State::kServer || bytes.empty()) return absl::OkStatus();
  size_t wanted = kServerRandom + kRetryRandom.size() - server_head_.size();
  server_head_.append(bytes.data(), std::min(wanted, bytes.size()));
  bool hello =
      ByteAt(server_head_, 0) == kHandshake &&
      (server_head_.size() <= kRecordHeader || ByteAt(server_head_, kRecordHeader) == kServerHello);
  if (hello && server_head_.size() < kServerRandom + kRetryRandom.size()) return absl::OkStatus();
  bool retry = hello && absl::string_view(server_head_).substr(kServerRandom) == kRetryRandom;
  state_ = retry ? State::kSecondHello : State::kTransparent;
  return ReadRecords(out);
}

}  // namespace paddock::nodeagent
