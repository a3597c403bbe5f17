#include "tests/bench/rest_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace paddock::bench {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

absl::Status FromBoost(absl::string_view what, const boost::system::error_code& error) {
  return absl::UnavailableError(absl::StrCat(what, ": ", error.message()));
}

}  // namespace

struct RestClient::Connection {
  asio::io_context context;
  asio::ssl::context tls{asio::ssl::context::tls_client};
  std::unique_ptr<asio::ssl::stream<tcp::socket>> stream;
  boost::beast::flat_buffer buffer;
  std::string host;
  std::string api_key;
};

RestClient::RestClient(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
RestClient::RestClient(RestClient&&) noexcept = default;
RestClient::~RestClient() = default;

absl::StatusOr<RestClient> RestClient::Connect(const testing::Endpoint& endpoint) {
  absl::string_view authority = endpoint.http_url;
  if (!absl::ConsumePrefix(&authority, "https://")) {
    return absl::InvalidArgumentError(absl::StrCat("no HTTPS URL: '", endpoint.http_url, "'"));
  }
  authority = absl::StripSuffix(authority, "/");
  const std::pair<std::string, std::string> address =
      absl::StrSplit(authority, absl::MaxSplits(':', 1));
  auto connection = std::make_unique<Connection>();
  connection->host = std::string(authority);
  connection->api_key = endpoint.api_key;
  boost::system::error_code error;
  connection->tls.load_verify_file(endpoint.ca_file, error);
  if (error) return FromBoost(endpoint.ca_file, error);
  connection->tls.set_verify_mode(asio::ssl::verify_peer, error);
  connection->stream =
      std::make_unique<asio::ssl::stream<tcp::socket>>(connection->context, connection->tls);
  tcp::resolver resolver(connection->context);
  const auto addresses = resolver.resolve(address.first, address.second, error);
  if (error) return FromBoost(address.first, error);
  asio::connect(connection->stream->next_layer(), addresses, error);
  if (error) return FromBoost(connection->host, error);
  connection->stream->next_layer().set_option(tcp::no_delay(true), error);
  connection->stream->handshake(asio::ssl::stream_base::client, error);
  if (error) return FromBoost("TLS", error);
  return RestClient(std::move(connection));
}

absl::StatusOr<nlohmann::json> RestClient::Call(bool post, const std::string& target,
                                                std::string body) {
  http::request<http::string_body> request(post ? http::verb::post : http::verb::get, target, 11);
  request.set(http::field::host, connection_->host);
  request.set(http::field::authorization, absl::StrCat("Bearer ", connection_->api_key));
  request.set("anthropic-beta", "managed-agents-2026-04-01");
  request.set("anthropic-version", "2026-10-21");
  if (post) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();
  boost::system::error_code error;
  http::write(*connection_->stream, request, error);
  if (error) return FromBoost("write", error);
  http::response<http::string_body> response;
  http::read(*connection_->stream, connection_->buffer, response, error);
  if (error) return FromBoost("read", error);
  if (response.result() != http::status::ok) {
    return absl::UnknownError(absl::StrCat(response.result_int(), " ", response.body()));
  }
  nlohmann::json json = nlohmann::json::parse(response.body(), nullptr, false);
  if (json.is_discarded()) return absl::UnknownError("the answer is no JSON");
  return json;
}

absl::StatusOr<nlohmann::json> RestClient::CreateEnvironment(absl::string_view name) {
  return Call(true, "/v1/environments", nlohmann::json{{"name", std::string(name)}}.dump());
}

absl::StatusOr<nlohmann::json> RestClient::GetEnvironment(absl::string_view id) {
  return Call(false, absl::StrCat("/v1/environments/", id), "");
}

}  // namespace paddock::bench
