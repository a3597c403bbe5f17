// Many hollow nodes in one process: one for each certificate `node_….crt` in a directory. Prints
// `joined N` when all have registered, and ends on SIGTERM.
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "common/log.h"
#include "common/open_files.h"
#include "common/shutdown_signal.h"
#include "tests/bench/fleet/hollow_node.h"

ABSL_FLAG(std::string, certificates, "", "Directory of ca.crt and of node_….crt and .key.");
ABSL_FLAG(std::string, registry, "", "The control plane's internal address.");

namespace paddock::bench {
namespace {

// Apart, so that a fleet's handshakes don't come all at once; and its heartbeats.
constexpr absl::Duration kJoinInterval = absl::Milliseconds(4);

absl::Status Main() {
  ShutdownSignal signal;
  RaiseOpenFilesLimit();
  const std::filesystem::path directory = absl::GetFlag(FLAGS_certificates);
  TimerQueue timers;
  std::vector<std::unique_ptr<HollowNode>> nodes;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string id = entry.path().stem().string();
    if (entry.path().extension() != ".crt" || !absl::StartsWith(id, "node_")) continue;
    nodes.push_back(std::make_unique<HollowNode>(id, absl::GetFlag(FLAGS_registry), &timers));
    const absl::Status served = nodes.back()->Serve(
        {directory / "ca.crt", entry.path(), (directory / id).string() + ".key"});
    if (!served.ok()) return served;
  }
  std::atomic<size_t> joined{0};
  for (size_t i = 0; i < nodes.size(); ++i) {
    timers.After(kJoinInterval * i, [&, node = nodes[i].get()] {
      node->Join([&] {
        if (++joined < nodes.size()) return;
        absl::PrintF("joined %d\n", nodes.size());
        std::fflush(stdout);
      });
    });
  }
  signal.Wait();
  timers.Stop();
  int64_t failed = 0;
  for (const auto& node : nodes) failed += node->failed();
  for (const auto& node : nodes) node->Leave();
  absl::PrintF("failed %d\n", failed);
  return absl::OkStatus();
}

}  // namespace
}  // namespace paddock::bench

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = paddock::bench::Main();
  if (status.ok()) return 0;
  paddock::LogError("hollow_fleet", {{"error", status.ToString()}});
  return 1;
}
