#include "controlplane/rest/tls_context.h"

#include <openssl/ssl.h>

#include "absl/strings/str_cat.h"

namespace paddock {
namespace {

namespace ssl = boost::asio::ssl;

// In the wire's form: length, name.
constexpr unsigned char kHttp11[] = "\x08http/1.1";

int SelectProtocol(SSL*, const unsigned char** chosen, unsigned char* chosen_length,
                   const unsigned char* offered, unsigned int offered_length, void*) {
  const int result = SSL_select_next_proto(const_cast<unsigned char**>(chosen), chosen_length,
                                           kHttp11, sizeof(kHttp11) - 1, offered, offered_length);
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

absl::StatusOr<std::shared_ptr<ssl::context>> MakeTlsContext(const std::string& certificate_file,
                                                             const std::string& key_file) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(native, &SelectProtocol, nullptr);
  boost::system::error_code error;
  context->use_certificate_chain_file(certificate_file, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("the certificate '", certificate_file, "': ", error.message()));
  }
  context->use_private_key_file(key_file, ssl::context::pem, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("the key '", key_file, "': ", error.message()));
  }
  return context;
}

}  // namespace paddock
