// The parts of the node agent's binary that re-execute it, without the rest of the agent; and what
// an agent does for the gateway process, until it is killed.

#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/status_macros.h"
#include "nodeagent/egress/gateway_json.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/net/namespace_pool_factory.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

absl::Status KeepGateway(absl::string_view config) {
  absl::ConsumePrefix(&config, "--config=");
  PADDOCK_ASSIGN_OR_RETURN(std::string text, ReadFile(std::string(config)));
  PADDOCK_ASSIGN_OR_RETURN(nlohmann::json json, ParseJsonObject(text));
  PADDOCK_ASSIGN_OR_RETURN(GatewayOptions options, OptionsFromJson(json));
  PADDOCK_ASSIGN_OR_RETURN(std::unique_ptr<GatewayProcess> gateway, GatewayProcess::Start(options));
  printf("ready\n");
  fflush(stdout);
  while (true) pause();
}

}  // namespace
}  // namespace paddock::nodeagent

int main(int argc, char** argv) {
  absl::string_view command = argc > 1 ? argv[1] : "";
  if (command == "gateway") return paddock::nodeagent::GatewayMain(argc - 1, argv + 1);
  if (command == "pair-maker") return paddock::nodeagent::PairMakerMain(argc - 1, argv + 1);
  if (command == "agent" && argc > 2) {
    fprintf(stderr, "%s\n", paddock::nodeagent::KeepGateway(argv[2]).ToString().c_str());
    return 1;
  }
  fprintf(stderr, "usage: gateway_tool gateway|pair-maker|agent ...\n");
  return 2;
}
