#include "tests/e2e/machine_census.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace paddock::testing {
namespace {

namespace fs = std::filesystem;

int LinesOf(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return -1;
  int lines = 0;
  for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) lines += c == '\n';
  pclose(pipe);
  return lines;
}

// Whether a process could be of this system: a program of it, a runtime, or anything in a user
// namespace other than the machine's. The rest of the machine may do what it likes meanwhile.
bool MayBeOurs(const fs::path& process, const std::string& name, const std::string& program,
               const std::string& home) {
  std::error_code error;
  return absl::StartsWith(program, home + "/") || absl::StartsWith(program, "/memfd:") ||
         name == "crun" || name == "runc" ||
         fs::read_symlink(process / "ns/user", error) !=
             fs::read_symlink("/proc/self/ns/user", error);
}

// Processes, the namespaces they hold, and the descriptors of Paddock's own.
void CountProcesses(const std::string& home, std::map<std::string, int>* census) {
  std::set<std::string> net, user;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", error)) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    std::ifstream comm(entry.path() / "comm");
    std::string name;
    std::getline(comm, name);
    const std::string program = fs::read_symlink(entry.path() / "exe", error).string();
    if (error) continue;  // Kernel threads, and what has just ended.
    if (!MayBeOurs(entry.path(), name, program, home)) continue;
    ++(*census)["processes"];
    net.insert(fs::read_symlink(entry.path() / "ns/net", error).string());
    user.insert(fs::read_symlink(entry.path() / "ns/user", error).string());
    if (name == "nodeagent" || name == "controlplane") {
      (*census)["descriptors"] += static_cast<int>(std::distance(
          fs::directory_iterator(entry.path() / "fd", error), fs::directory_iterator()));
    }
  }
  (*census)["network namespaces"] = static_cast<int>(net.size());
  (*census)["user namespaces"] = static_cast<int>(user.size());
}

void CountRouters(const std::string& home, std::map<std::string, int>* census) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(home, fs::directory_options::skip_permission_denied,
                                           error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "volumes" || name == "pgdata" || it.depth() > 4) it.disable_recursion_pending();
    if (name != "router.netns") continue;
    const std::string enter = absl::StrCat("nsenter --net=", it->path().string(), " ");
    (*census)["router links"] += LinesOf(enter + "ip -o link");
    (*census)["router rule lines"] += LinesOf(enter + "nft list ruleset");
    // Sessions in the rules' sets: an address and an interface each.
    (*census)["rule elements"] +=
        LinesOf(enter + "nft list ruleset | grep -o '[0-9.]* \\. \"[^\"]*\"'");
  }
}

}  // namespace

std::map<std::string, int> TakeCensus(const std::string& home) {
  std::map<std::string, int> census;
  census["mounts"] = LinesOf("cat /proc/self/mountinfo");
  census["host links"] = LinesOf("ip -o link");
  census["cgroups"] = LinesOf("find /sys/fs/cgroup -path '*paddock*' -type d");
  census["host rule lines"] = LinesOf("nft list ruleset");
  CountProcesses(home, &census);
  CountRouters(home, &census);
  return census;
}

}  // namespace paddock::testing
