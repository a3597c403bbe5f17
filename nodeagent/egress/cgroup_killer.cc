#include "nodeagent/egress/cgroup_killer.h"

#include <dirent.h>
#include <signal.h>

#include <map>
#include <memory>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pidfd.h"

namespace paddock::nodeagent {
namespace {

constexpr int kMaxDepth = 16;

// `directory` and every cgroup below it.
void CollectTree(const std::string& directory, int depth, std::vector<std::string>* tree) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(directory.c_str()), closedir);
  if (stream == nullptr || depth > kMaxDepth) return;
  tree->push_back(directory);
  while (const dirent* entry = readdir(stream.get())) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    CollectTree(absl::StrCat(directory, "/", entry->d_name), depth + 1, tree);
  }
}

std::set<pid_t> ReadPids(const std::string& cgroup) {
  std::set<pid_t> pids;
  absl::StatusOr<std::string> text = ReadFile(absl::StrCat(cgroup, "/cgroup.procs"));
  if (!text.ok()) return pids;
  for (absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    pid_t pid = 0;
    if (absl::SimpleAtoi(line, &pid) && pid > 0) pids.insert(pid);
  }
  return pids;
}

// Signals only processes that are still in the cgroup once we hold them, lest a pid that was used
// again hit a stranger.
void KillMembers(const std::string& cgroup, const std::set<pid_t>& pids) {
  std::map<pid_t, UniqueFd> held;
  for (pid_t pid : pids) {
    absl::StatusOr<UniqueFd> pidfd = PidfdOpen(pid);
    if (pidfd.ok()) held[pid] = *std::move(pidfd);
  }
  for (pid_t pid : ReadPids(cgroup)) {
    auto found = held.find(pid);
    if (found != held.end()) PidfdKill(found->second.get(), SIGKILL).IgnoreError();
  }
}

}  // namespace

bool KillCgroupsOnce(const std::vector<std::string>& directories) {
  bool empty = true;
  for (const std::string& directory : directories) {
    std::vector<std::string> tree;
    CollectTree(directory, 0, &tree);
    for (const std::string& cgroup : tree) {
      std::set<pid_t> pids = ReadPids(cgroup);
      if (pids.empty()) continue;
      empty = false;
      // v2 kills its whole tree at once, whatever forks meanwhile.
      bool all_at_once = WriteControlFile(absl::StrCat(cgroup, "/cgroup.kill"), "1").ok();
      if (!all_at_once) KillMembers(cgroup, pids);
      // A frozen v1 cgroup dies when it thaws.
      WriteControlFile(absl::StrCat(cgroup, "/freezer.state"), "THAWED").IgnoreError();
    }
  }
  return empty;
}

}  // namespace paddock::nodeagent
