#include "common/tls.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock {
namespace {

using grpc::experimental::ExternalCertificateVerifier;
using grpc::experimental::FileWatcherCertificateProvider;
using grpc::experimental::IdentityKeyCertPair;
using grpc::experimental::StaticDataCertificateProvider;
using grpc::experimental::TlsChannelCredentialsOptions;
using grpc::experimental::TlsCustomVerificationCheckRequest;
using grpc::experimental::TlsServerCredentialsOptions;

// How often changed files are looked for.
constexpr unsigned kRefreshSeconds = 10;

template <typename T, void (*Free)(T*)>
struct Deleter {
  void operator()(T* p) const { Free(p); }
};
using X509Ptr = std::unique_ptr<X509, Deleter<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY, EVP_PKEY_free>>;
struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioDeleter>;

absl::StatusOr<std::string> ReadPem(const std::string& path, absl::string_view what) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) {
    return absl::InvalidArgumentError(absl::StrCat("can't read the ", what, " file '", path, "'"));
  }
  return text.str();
}

absl::StatusOr<X509Ptr> ReadCertificate(const std::string& path, absl::string_view what) {
  PADDOCK_ASSIGN_OR_RETURN(const std::string pem, ReadPem(path, what));
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ", what, " file '", path, "' holds no PEM certificate"));
  }
  return certificate;
}

absl::StatusOr<KeyPtr> ReadKey(const std::string& path) {
  PADDOCK_ASSIGN_OR_RETURN(const std::string pem, ReadPem(path, "key"));
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // An empty pass phrase, so that an encrypted key fails instead of asking at the terminal.
  char no_phrase[] = "";
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, no_phrase));
  if (key == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the key file '", path, "' holds no plain PEM private key"));
  }
  return key;
}

absl::Status CheckFiles(const TlsFiles& files) {
  if (!files.ca.empty()) {
    PADDOCK_RETURN_IF_ERROR(ReadCertificate(files.ca, "CA").status());
  }
  PADDOCK_ASSIGN_OR_RETURN(const X509Ptr certificate, ReadCertificate(files.cert, "certificate"));
  PADDOCK_ASSIGN_OR_RETURN(const KeyPtr key, ReadKey(files.key));
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the key '", files.key, "' doesn't belong to the certificate '", files.cert, "'"));
  }
  return absl::OkStatus();
}

// Accepts a server whose certificate, which gRPC has verified already, has a role.
class RoleVerifier final : public ExternalCertificateVerifier {
 public:
  explicit RoleVerifier(std::string role) : role_(std::move(role)) {}

  bool Verify(TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    for (const grpc::string_ref& name : request->uri_names()) {
      if (absl::string_view(name.data(), name.size()) == role_) {
        *sync_status = grpc::Status::OK;
        return true;
      }
    }
    *sync_status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                                absl::StrCat("the server's certificate lacks the role ", role_));
    return true;
  }
  void Cancel(TlsCustomVerificationCheckRequest*) override {}

 private:
  const std::string role_;
};

}  // namespace

std::string NodeRole(absl::string_view node_id) { return absl::StrCat("paddock:node/", node_id); }

absl::StatusOr<std::shared_ptr<TlsIdentity>> TlsIdentity::Load(const TlsFiles& files,
                                                               Rotation rotation) {
  PADDOCK_RETURN_IF_ERROR(CheckFiles(files));
  const bool has_ca = !files.ca.empty();
  Provider provider;
  if (rotation == Rotation::kWatch) {
    provider = std::make_shared<FileWatcherCertificateProvider>(files.key, files.cert, files.ca,
                                                                kRefreshSeconds);
  } else {
    std::string ca;
    if (has_ca) {
      PADDOCK_ASSIGN_OR_RETURN(ca, ReadPem(files.ca, "CA"));
    }
    PADDOCK_ASSIGN_OR_RETURN(std::string key, ReadPem(files.key, "key"));
    PADDOCK_ASSIGN_OR_RETURN(std::string certificate, ReadPem(files.cert, "certificate"));
    provider = std::make_shared<StaticDataCertificateProvider>(
        ca, std::vector<IdentityKeyCertPair>{{std::move(key), std::move(certificate)}});
  }
  return std::shared_ptr<TlsIdentity>(new TlsIdentity(has_ca, std::move(provider)));
}

std::shared_ptr<grpc::ServerCredentials> TlsIdentity::PublicServer() const {
  TlsServerCredentialsOptions options(provider_);
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ServerCredentials> TlsIdentity::MutualServer() const {
  TlsServerCredentialsOptions options(provider_);
  options.watch_identity_key_cert_pairs();
  if (has_ca_) options.watch_root_certs();
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc::experimental::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> TlsIdentity::MutualChannel(
    const std::string& server_role) const {
  TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider_);
  options.watch_identity_key_cert_pairs();
  if (has_ca_) options.watch_root_certs();
  options.set_verify_server_certs(true);
  options.set_check_call_host(false);
#ifndef __clang_analyzer__  // It can't see that gRPC's core owns what Create makes.
  options.set_certificate_verifier(ExternalCertificateVerifier::Create<RoleVerifier>(server_role));
#endif
  return grpc::experimental::TlsCredentials(options);
}

std::vector<std::string> PeerRoles(const grpc::AuthContext& peer) {
  std::vector<std::string> roles;
  if (!peer.IsPeerAuthenticated()) return roles;
  for (const grpc::string_ref& uri : peer.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    roles.emplace_back(uri.data(), uri.size());
  }
  return roles;
}

absl::Status CheckPeerRole(const grpc::AuthContext& peer, absl::string_view role) {
  if (!peer.IsPeerAuthenticated()) {
    return absl::UnauthenticatedError("the peer showed no certificate");
  }
  for (const std::string& have : PeerRoles(peer)) {
    if (have == role) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(absl::StrCat("the peer's certificate lacks the role ", role));
}

}  // namespace paddock
