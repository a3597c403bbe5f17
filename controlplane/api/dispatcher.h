#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/rpc_metrics.h"
#include "common/thread_pool.h"
#include "controlplane/api/call_record.h"
#include "controlplane/core/authenticator.h"

namespace paddock {

// Which key a method needs.
enum class Access { kWorkspace, kAdmin };

// Of a request, or a message of a stream of them. The server itself takes somewhat larger ones, so
// that the refusal is ours and says why.
inline constexpr int kMaxRequestBytes = 4 * 1024 * 1024;

// RESOURCE_EXHAUSTED above that.
absl::Status CheckSize(const google::protobuf::MessageLite& message);

// The key and beta headers of a call.
Credentials CredentialsOf(const grpc::CallbackServerContext& context);

// What all handlers have in common: who calls, where the work runs, how it is counted and how its
// error looks. Thread-safe; arguments must outlive it, and its server must have ended before it.
class Dispatcher {
 public:
  using Work = absl::AnyInvocable<absl::Status(const Principal& caller)>;
  using Admitted = absl::AnyInvocable<void(absl::StatusOr<Principal> caller)>;

  Dispatcher(Authenticator* authenticator, ThreadPool* pool, RpcMetrics* metrics)
      : authenticator_(authenticator), pool_(pool), metrics_(metrics) {}

  // Authenticates and runs `work` on the pool, then answers with its status. Overload is
  // RESOURCE_EXHAUSTED at once. `work` may use the call's request and response, and must end
  // within bounded time.
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context,
                                  const google::protobuf::MessageLite& request, const char* method,
                                  Access access, Work work);

  // For calls with a reactor of their own: calls `admitted` on the pool with the caller, who may
  // then block there; or with the error, at once and in this thread when `request` is too large or
  // the pool is full. `context` must live until then.
  void Admit(grpc::CallbackServerContext* context, const google::protobuf::MessageLite& request,
             Access access, Admitted admitted);

  // Starts counting a stream.
  CallRecord Record(const char* method) { return CallRecord(metrics_, method); }

  ThreadPool* pool() { return pool_; }

 private:
  absl::StatusOr<Principal> Authenticate(const grpc::CallbackServerContext& context, Access access);

  Authenticator* const authenticator_;
  ThreadPool* const pool_;
  RpcMetrics* const metrics_;
};

}  // namespace paddock
