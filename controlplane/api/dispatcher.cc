#include "controlplane/api/dispatcher.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/errors.h"
#include "common/status_macros.h"
#include "controlplane/core/api_key_operations.h"

namespace paddock {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);

absl::Status Overloaded() { return errors::Overloaded("the control plane", kRetryAfter); }

}  // namespace

absl::Status CheckSize(const google::protobuf::MessageLite& message) {
  if (message.ByteSizeLong() <= kMaxRequestBytes) return absl::OkStatus();
  return errors::MessageTooLarge(kMaxRequestBytes);
}

Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  Credentials credentials;
  const auto& metadata = context.client_metadata();
  if (const auto key = metadata.find("x-api-key"); key != metadata.end()) {
    credentials.api_key.assign(key->second.data(), key->second.size());
  }
  if (const auto bearer = metadata.find("authorization");
      credentials.api_key.empty() && bearer != metadata.end()) {
    credentials.api_key = BearerToken({bearer->second.data(), bearer->second.size()});
  }
  const auto betas = metadata.equal_range(grpc::string_ref(kBetaHeader.data(), kBetaHeader.size()));
  for (auto beta = betas.first; beta != betas.second; ++beta) {
    credentials.betas.emplace_back(beta->second.data(), beta->second.size());
  }
  return credentials;
}

grpc::ServerUnaryReactor* Dispatcher::Unary(grpc::CallbackServerContext* context,
                                            const google::protobuf::MessageLite& request,
                                            const char* method, Access access, Work work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Admit(context, request, access,
        [context, reactor, record = Record(method),
         work = std::move(work)](const absl::StatusOr<Principal>& caller) mutable {
          absl::Status status = caller.status();
          // Nobody waits for a cancelled call; whoever retries starts it again.
          if (status.ok() && context->IsCancelled()) status = errors::Cancelled();
          if (status.ok()) status = work(*caller);
          reactor->Finish(record.Finish(status));
        });
  return reactor;
}

void Dispatcher::Admit(grpc::CallbackServerContext* context,
                       const google::protobuf::MessageLite& request, Access access,
                       Admitted admitted) {
  if (const absl::Status size = CheckSize(request); !size.ok()) return admitted(size);
  // Shared, because a task that the pool refuses is dropped.
  auto shared = std::make_shared<Admitted>(std::move(admitted));
  const bool queued = pool_->TrySchedule(
      [this, context, access, shared] { (*shared)(Authenticate(*context, access)); });
  if (!queued) (*shared)(Overloaded());
}

absl::StatusOr<Principal> Dispatcher::Authenticate(const grpc::CallbackServerContext& context,
                                                   Access access) {
  PADDOCK_ASSIGN_OR_RETURN(Principal caller, authenticator_->Authenticate(CredentialsOf(context)));
  if (access == Access::kAdmin) PADDOCK_RETURN_IF_ERROR(RequireAdmin(caller));
  return caller;
}

}  // namespace paddock
