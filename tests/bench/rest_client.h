#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "tests/support/paddock_client.h"

namespace paddock::bench {

// One keep-alive HTTPS connection to the REST front end; blocking, a request at a time. Not
// thread-safe.
class RestClient {
 public:
  // Connects to the endpoint's http_url. UNAVAILABLE when it can't be reached or its certificate is
  // not the CA's.
  static absl::StatusOr<RestClient> Connect(const testing::Endpoint& endpoint);
  RestClient(RestClient&&) noexcept;
  ~RestClient();

  absl::StatusOr<nlohmann::json> CreateEnvironment(absl::string_view name);
  absl::StatusOr<nlohmann::json> GetEnvironment(absl::string_view id);

 private:
  struct Connection;

  explicit RestClient(std::unique_ptr<Connection> connection);
  // The JSON of a 200; UNKNOWN with status and body for any other answer.
  absl::StatusOr<nlohmann::json> Call(bool post, const std::string& target, std::string body);

  std::unique_ptr<Connection> connection_;
};

}  // namespace paddock::bench
