// The parts of the node agent's binary that re-execute it, without the rest of the agent.

#include <cstdio>

#include "absl/strings/string_view.h"
#include "nodeagent/egress/gateway_process.h"
#include "nodeagent/net/namespace_pool_factory.h"

int main(int argc, char** argv) {
  absl::string_view command = argc > 1 ? argv[1] : "";
  if (command == "gateway") return paddock::nodeagent::GatewayMain(argc - 1, argv + 1);
  if (command == "pair-maker") return paddock::nodeagent::PairMakerMain(argc - 1, argv + 1);
  fprintf(stderr, "usage: gateway_tool gateway|pair-maker ...\n");
  return 2;
}
