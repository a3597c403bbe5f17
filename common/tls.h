#pragma once

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock {

// Roles are URI SANs of the certificates that control plane and node agents show to each other.
inline constexpr char kControlPlaneRole[] = "paddock:control-plane";
// `paddock:node/<node id>`.
std::string NodeRole(absl::string_view node_id);

// PEM files.
struct TlsFiles {
  std::string ca;    // Certificates that a peer's chain must end in. Unused by a public server.
  std::string cert;  // Chain, own certificate first.
  std::string key;
};

// One process's certificate. Thread-safe. Servers and channels made from it keep what they need
// alive.
class TlsIdentity {
 public:
  enum class Rotation {
    kWatch,  // Read again when the files change: rotated without a restart. Costs a thread.
    kNone,   // Read once.
  };

  // INVALID_ARGUMENT naming the file when one is missing, unreadable or no PEM, or when key and
  // certificate don't match.
  static absl::StatusOr<std::shared_ptr<TlsIdentity>> Load(const TlsFiles& files,
                                                           Rotation rotation = Rotation::kWatch);

  // TLS without client certificates.
  std::shared_ptr<grpc::ServerCredentials> PublicServer() const;
  // Clients must show a certificate of the CA. Which one may call what is checked by CheckPeerRole.
  std::shared_ptr<grpc::ServerCredentials> MutualServer() const;
  // Shows our certificate; the handshake fails unless the server's certificate is of the CA and has
  // the role. Host names aren't compared: the role says more than an address that may move.
  std::shared_ptr<grpc::ChannelCredentials> MutualChannel(const std::string& server_role) const;

 private:
  using Provider = std::shared_ptr<grpc::experimental::CertificateProviderInterface>;

  TlsIdentity(bool has_ca, Provider provider) : has_ca_(has_ca), provider_(std::move(provider)) {}

  const bool has_ca_;
  const Provider provider_;
};

// Every URI SAN of the peer's verified certificate.
std::vector<std::string> PeerRoles(const grpc::AuthContext& peer);

// PERMISSION_DENIED naming the role unless the peer's certificate has it; UNAUTHENTICATED when the
// peer showed none. Call at the start of every handler of an internal server:
// `CheckPeerRole(*context->auth_context(), kControlPlaneRole)`.
absl::Status CheckPeerRole(const grpc::AuthContext& peer, absl::string_view role);

}  // namespace paddock
