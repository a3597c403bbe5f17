#include "controlplane/api/list_directory_call.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace paddock {
namespace {

constexpr std::chrono::seconds kLongest(30);

struct Call {
  NodeRoute route;
  grpc::ClientContext context;
  internal::v1::NodeListDirectoryRequest request;
  v1::ListDirectoryResponse response;
};

}  // namespace

void ListDirectoryOnNode(NodeRoute route, std::chrono::system_clock::time_point deadline,
                         const v1::ListDirectoryRequest& request,
                         AsyncCall<v1::ListDirectoryResponse>::Done done) {
  auto call = std::make_shared<Call>();
  call->route = std::move(route);
  call->context.set_deadline(std::min(deadline, std::chrono::system_clock::now() + kLongest));
  call->request.set_generation(call->route.generation);
  *call->request.mutable_list() = request;
  call->route.stub->async()->ListDirectory(
      &call->context, &call->request, &call->response,
      [call, done = std::move(done)](const grpc::Status& status) {
        if (!status.ok()) return done(FromNode(status, call->route.node.id));
        done(std::move(call->response));
      });
}

}  // namespace paddock
