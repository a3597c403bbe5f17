#include "nodeagent/egress/http_head.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "nodeagent/egress/egress_policy.h"
#include "nodeagent/egress/request_line.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::string_view kLineEnd = "\r\n";
constexpr size_t kMaxLengthDigits = 18;

absl::Status Refuse(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("HTTP request with ", what));
}

struct Field {
  absl::string_view name;
  absl::string_view value;
  absl::string_view line;  // With its end.
};

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenCharacter);
}

// Visible characters and what isn't ASCII.
bool IsVisible(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c != ' ' && !absl::ascii_iscntrl(c); });
}

// Without spaces and tabs around it (RFC 9110, 5.5). What else looks like white space is part of
// the value, and refused there: a server may see another header than one that strips it.
absl::string_view StripBlank(absl::string_view value) {
  const size_t start = value.find_first_not_of(" \t");
  if (start == absl::string_view::npos) return "";
  return value.substr(start, value.find_last_not_of(" \t") - start + 1);
}

// A line without its end; nullopt where there is a bare CR or LF, or none at all.
std::optional<absl::string_view> TakeLine(absl::string_view* rest) {
  size_t end = rest->find_first_of(kLineEnd);
  if (end == absl::string_view::npos || rest->substr(end, 2) != kLineEnd) return std::nullopt;
  absl::string_view line = rest->substr(0, end);
  rest->remove_prefix(end + 2);
  return line;
}

struct RequestLine {
  absl::string_view method;
  absl::string_view target;
  bool http_1_0;
};

absl::StatusOr<RequestLine> ParseRequestLine(absl::string_view line) {
  std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || !IsToken(words[0]) || words[1].empty() || !IsVisible(words[1])) {
    return Refuse("a malformed request line");
  }
  if (words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0") {
    return Refuse(absl::StrCat("the version \"", words[2].substr(0, 32),
                               "\"; only HTTP/1.1 can be checked without TLS"));
  }
  if (absl::EqualsIgnoreCase(words[0], "CONNECT")) {
    return Refuse("the method CONNECT, whose tunnel could lead anywhere");
  }
  return RequestLine{words[0], words[1], words[2] == "HTTP/1.0"};
}

// Fields up to the empty line, which must be the last.
absl::StatusOr<std::vector<Field>> ParseFields(absl::string_view rest) {
  std::vector<Field> fields;
  while (true) {
    const char* start = rest.data();
    std::optional<absl::string_view> line = TakeLine(&rest);
    if (!line) return Refuse("a bare CR or LF");
    if (line->empty()) break;
    if (line->front() == ' ' || line->front() == '\t') return Refuse("a folded header line");
    size_t colon = line->find(':');
    if (colon == absl::string_view::npos || !IsToken(line->substr(0, colon))) {
      return Refuse("a malformed header name");
    }
    absl::string_view value = StripBlank(line->substr(colon + 1));
    bool control = std::any_of(value.begin(), value.end(),
                               [](char c) { return c != '\t' && absl::ascii_iscntrl(c); });
    if (control) return Refuse("a control character in a header");
    fields.push_back({line->substr(0, colon), value, {start, line->size() + kLineEnd.size()}});
  }
  if (!rest.empty()) return Refuse("bytes after its head");
  return fields;
}

// "host" or "host:port".
absl::StatusOr<std::string> ParseAuthority(absl::string_view authority) {
  size_t colon = authority.find(':');
  absl::string_view host = authority.substr(0, colon);
  if (colon != absl::string_view::npos) {
    absl::string_view port = authority.substr(colon + 1);
    bool digits = !port.empty() && port.size() <= 5 &&
                  std::all_of(port.begin(), port.end(), absl::ascii_isdigit);
    if (!digits) return Refuse("a malformed Host");
  }
  std::string name = NormalizeName(host);
  if (!IsHostName(name)) return Refuse("a malformed Host");
  return name;
}

// The host of the target, if it is in absolute form; empty for a path.
absl::StatusOr<std::string> TargetHost(absl::string_view method, absl::string_view target) {
  if (target.front() == '/') return std::string();
  if (target == "*" && method == "OPTIONS") return std::string();
  size_t scheme = target.find("://");
  if (scheme == absl::string_view::npos ||
      !absl::EqualsIgnoreCase(target.substr(0, scheme), "http")) {
    return Refuse("a target that is neither a path nor an http URL");
  }
  absl::string_view authority = target.substr(scheme + 3);
  return ParseAuthority(authority.substr(0, authority.find_first_of("/?#")));
}

bool HasToken(absl::string_view list, absl::string_view token) {
  for (absl::string_view item : absl::StrSplit(list, ',')) {
    if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(item), token)) return true;
  }
  return false;
}

// What fields say about the body, which must be clear.
class Framing {
 public:
  absl::Status Add(const Field& field) {
    if (absl::EqualsIgnoreCase(field.name, "content-length")) {
      bool digits = !field.value.empty() && field.value.size() <= kMaxLengthDigits &&
                    std::all_of(field.value.begin(), field.value.end(), absl::ascii_isdigit);
      if (has_length_) return Refuse("two Content-Length headers");
      if (!digits || !absl::SimpleAtoi(field.value, &length_)) {
        return Refuse("a malformed Content-Length");
      }
      has_length_ = true;
    }
    if (absl::EqualsIgnoreCase(field.name, "transfer-encoding")) {
      if (chunked_) return Refuse("two Transfer-Encoding headers");
      if (!absl::EqualsIgnoreCase(field.value, "chunked")) {
        return Refuse("a Transfer-Encoding other than chunked");
      }
      chunked_ = true;
    }
    return absl::OkStatus();
  }
  absl::Status Finish(bool http_1_0, HttpRequestHead* head) const {
    if (chunked_ && has_length_) return Refuse("both Content-Length and Transfer-Encoding");
    if (chunked_ && http_1_0) return Refuse("Transfer-Encoding in HTTP/1.0");
    if (chunked_) head->body = HttpRequestHead::Body::kChunked;
    if (has_length_ && length_ > 0) {
      head->body = HttpRequestHead::Body::kLength;
      head->length = length_;
    }
    return absl::OkStatus();
  }

 private:
  bool has_length_ = false;
  bool chunked_ = false;
  uint64_t length_ = 0;
};

absl::Status ParseUpgrade(const std::vector<Field>& fields, HttpRequestHead* head) {
  std::string offers;
  for (const Field& field : fields) {
    if (absl::EqualsIgnoreCase(field.name, "upgrade")) {
      absl::StrAppend(&offers, offers.empty() ? "" : ",", field.value);
    }
    if (absl::EqualsIgnoreCase(field.name, "http2-settings")) head->other_upgrade = true;
  }
  head->websocket = absl::EqualsIgnoreCase(offers, "websocket") && !head->other_upgrade;
  head->other_upgrade = !head->websocket && (head->other_upgrade || !offers.empty());
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckHttpRequestLine(absl::string_view line) {
  return ParseRequestLine(line).status();
}

absl::StatusOr<HttpRequestHead> ParseHttpRequestHead(absl::string_view head) {
  absl::string_view rest = head;
  std::optional<absl::string_view> line = TakeLine(&rest);
  if (!line) return Refuse("a bare CR or LF");
  PADDOCK_ASSIGN_OR_RETURN(RequestLine request, ParseRequestLine(*line));
  PADDOCK_ASSIGN_OR_RETURN(std::string target_host, TargetHost(request.method, request.target));
  PADDOCK_ASSIGN_OR_RETURN(std::vector<Field> fields, ParseFields(rest));
  HttpRequestHead result;
  Framing framing;
  bool has_host = false;
  for (const Field& field : fields) {
    PADDOCK_RETURN_IF_ERROR(framing.Add(field));
    if (!absl::EqualsIgnoreCase(field.name, "host")) continue;
    if (has_host) return Refuse("two Host headers");
    has_host = true;
    PADDOCK_ASSIGN_OR_RETURN(result.host, ParseAuthority(field.value));
  }
  if (!has_host) return Refuse("no Host header");
  if (!target_host.empty() && target_host != result.host) {
    return Refuse(absl::StrCat("a target at \"", target_host, "\" and Host \"", result.host, "\""));
  }
  PADDOCK_RETURN_IF_ERROR(framing.Finish(request.http_1_0, &result));
  PADDOCK_RETURN_IF_ERROR(ParseUpgrade(fields, &result));
  return result;
}

std::string WithoutUpgrade(absl::string_view head) {
  absl::string_view rest = head;
  std::optional<absl::string_view> line = TakeLine(&rest);
  absl::StatusOr<std::vector<Field>> fields = ParseFields(rest);
  if (!line || !fields.ok()) return "";
  std::string result = absl::StrCat(*line, kLineEnd);
  for (const Field& field : *fields) {
    if (absl::EqualsIgnoreCase(field.name, "upgrade") ||
        absl::EqualsIgnoreCase(field.name, "http2-settings")) {
      continue;
    }
    if (!absl::EqualsIgnoreCase(field.name, "connection") ||
        !(HasToken(field.value, "upgrade") || HasToken(field.value, "http2-settings"))) {
      result.append(field.line.data(), field.line.size());
      continue;
    }
    std::vector<absl::string_view> kept;
    for (absl::string_view item : absl::StrSplit(field.value, ',')) {
      item = absl::StripAsciiWhitespace(item);
      bool upgrade =
          absl::EqualsIgnoreCase(item, "upgrade") || absl::EqualsIgnoreCase(item, "http2-settings");
      if (!upgrade) kept.push_back(item);
    }
    if (kept.empty()) continue;
    absl::StrAppend(&result, field.name, ": ");
    for (size_t i = 0; i < kept.size(); ++i) absl::StrAppend(&result, i == 0 ? "" : ", ", kept[i]);
    absl::StrAppend(&result, kLineEnd);
  }
  return absl::StrCat(result, kLineEnd);
}

absl::Status CheckHttpTrailers(absl::string_view trailers) {
  return ParseFields(trailers).status();
}

}  // namespace paddock::nodeagent
