// Errors as the REST API shows them. Pure.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "controlplane/rest/http_message.h"
#include "nlohmann/json.hpp"

namespace paddock {

// `status`, an error of the catalogue or of any other kind (errors::ForUser), as the body of an
// answer: type, message and error_code, the fields that break rules, and the request's id. Fields
// have the names that they have in the REST API (`config.networking.allowed_hosts[0]`).
nlohmann::ordered_json ErrorJson(const absl::Status& status, absl::string_view request_id);

// The whole answer: with `x-should-retry: false` when the same request can't succeed later, and
// `retry-after` on 429 and 503.
HttpAnswer ErrorAnswer(const absl::Status& status, absl::string_view request_id);

// The field's REST name, of core's name, which is that of the gRPC API.
std::string RestFieldName(absl::string_view field);

}  // namespace paddock
