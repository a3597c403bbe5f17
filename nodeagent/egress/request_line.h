#pragma once

#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// What HTTP servers take for the first line of a request, the lenient ones included. Pure.

// What ends a request line for those who only look for it; in any case.
inline constexpr absl::string_view kHttpVersion = "http/";

// Of a method or a header's name (RFC 9110, 5.6.2).
bool IsTokenCharacter(char c);
// What a server may take for white space in a request line: space, tab, VT, FF and a bare CR by RFC
// 9112, 3; the rest by the habit of splitting text at whatever Unicode calls white space.
bool IsBlank(char c);
// Without what HTTP servers skip before a request: blanks and line ends.
absl::string_view SkipBlank(absl::string_view bytes);

// One of HTTP's own methods, in any case.
bool IsMethod(absl::string_view word);
// The same, or the beginning of one.
bool MayBecomeMethod(absl::string_view word);

// Whether `text` holds kHttpVersion.
bool HasHttpVersion(absl::string_view text);
// Whether a line that is whole, without its end, is a request's for some server although it names
// no version of HTTP: a method of any kind and a target alone (HTTP/0.9, which some servers read
// headers after), or RTSP's and Icecast's versions, which Node's parser takes for HTTP.
bool IsOldOrForeignRequest(absl::string_view line);

}  // namespace paddock::nodeagent
