#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace paddock {

// TLS 1.2 and 1.3 as a server of HTTP/1.1: ALPN takes `http/1.1`, and a client that offers only
// others is refused; no renegotiation. Buffers of idle connections are given back.
// INVALID_ARGUMENT naming the file that can't be used.
absl::StatusOr<std::shared_ptr<boost::asio::ssl::context>> MakeTlsContext(
    const std::string& certificate_file, const std::string& key_file);

}  // namespace paddock
