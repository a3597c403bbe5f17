#pragma once

#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/api/dispatcher.h"

namespace paddock {

// A streaming call that is refused with one error, once the caller is known. Owns itself.
template <typename Response>
class RefusedStream final : public grpc::ServerWriteReactor<Response> {
 public:
  static RefusedStream* Start(grpc::CallbackServerContext* context, const char* method,
                              Dispatcher* dispatcher, absl::Status error) {
    auto* stream = new RefusedStream(dispatcher->Record(method));
    dispatcher->Admit(context, Access::kWorkspace,
                      [stream, error](const absl::StatusOr<Principal>& caller) {
                        stream->Refuse(caller.ok() ? error : caller.status());
                      });
    return stream;
  }

  void OnDone() override { delete this; }

 private:
  explicit RefusedStream(CallRecord record) : record_(record) {}

  void Refuse(const absl::Status& error) { this->Finish(record_.Finish(error)); }

  CallRecord record_;
};

}  // namespace paddock
