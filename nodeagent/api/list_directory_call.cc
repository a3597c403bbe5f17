#include "nodeagent/api/list_directory_call.h"

#include <utility>

#include "common/errors.h"
#include "nodeagent/init/files.h"

namespace paddock::nodeagent {

void ListDirectoryCall::Run(ExecService* service,
                            const internal::v1::NodeListDirectoryRequest& request,
                            v1::ListDirectoryResponse* response,
                            std::function<void(const absl::Status&)> done) {
  auto* call = new ListDirectoryCall(response, std::move(done));
  const std::string path = request.list().path();
  absl::StatusOr<ExecSpec> spec = ListDirectoryCommand(path);
  const absl::Status status = spec.ok() ? call->Begin(service, request.list().session_id(),
                                                      request.generation(), *std::move(spec), path)
                                        : spec.status();
  if (!status.ok()) call->OnEnd(status);
}

void ListDirectoryCall::OnData(std::string data) {
  parsed_ = listing_.Take(data);
  // Enough, or nonsense: either way the rest isn't wanted.
  if (!parsed_.ok() || listing_.truncated()) return Abandon(errors::Cancelled());
  process()->ReadyForOutput();
}

void ListDirectoryCall::OnEnd(const absl::Status& status) {
  absl::Status result = status;
  if (!parsed_.ok()) {
    result = errors::Internal("the sandbox sent a malformed list");
  } else if (listing_.truncated()) {
    result = absl::OkStatus();
  } else if (status.ok() && !listing_.finished()) {
    result = errors::Internal("the sandbox sent half a list");
  }
  if (!result.ok()) response_->Clear();
  done_(result);
  delete this;
}

}  // namespace paddock::nodeagent
