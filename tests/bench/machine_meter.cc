#include "tests/bench/machine_meter.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/time/clock.h"

namespace paddock::bench {
namespace {

// user + nice + system + irq + softirq of all cores.
absl::Duration MachineCpu() {
  std::ifstream file("/proc/stat");
  std::string name;
  int64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0;
  file >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq;
  return absl::Seconds(1) * (user + nice + system + irq + softirq) / sysconf(_SC_CLK_TCK);
}

absl::Duration SelfCpu() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The fields of /proc/PID/stat (proc(5)) from the third on; empty when there is no such process.
std::vector<std::string> StatFields(const std::filesystem::path& directory, std::string* name) {
  const std::string stat = ReadAll(directory / "stat");
  const size_t open = stat.find('('), close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos) return {};
  *name = stat.substr(open + 1, close - open - 1);
  std::istringstream fields(stat.substr(close + 2));
  std::vector<std::string> words(15);
  for (std::string& word : words) fields >> word;
  return words;
}

// utime, stime, cutime and cstime are the fields 14 to 17.
absl::Duration TicksOf(const std::vector<std::string>& fields, size_t first, size_t last) {
  int64_t ticks = 0;
  for (size_t i = first; i <= last; ++i) ticks += std::strtoll(fields[i].c_str(), nullptr, 10);
  return absl::Seconds(1) * ticks / sysconf(_SC_CLK_TCK);
}

// `pid` and its children.
std::vector<std::filesystem::path> Tree(int pid) {
  std::vector<std::filesystem::path> tree;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    std::string name;
    const std::vector<std::string> fields = StatFields(entry.path(), &name);
    if (fields.empty()) continue;
    if (entry.path().filename() == std::to_string(pid) || fields[1] == std::to_string(pid)) {
      tree.push_back(entry.path());
    }
  }
  return tree;
}

// What a process is called here; empty for those that aren't counted.
std::string KindOf(const std::filesystem::path& directory, const std::string& name) {
  const std::string command = ReadAll(directory / "cmdline");
  if (command.empty()) return "kernel threads";
  for (const char* part : {"gateway", "pair-maker"}) {
    if (command.find(std::string(1, '\0') + part + '\0') != std::string::npos) return part;
  }
  if (name == "postgres" || name == "controlplane" || name == "nodeagent") return name;
  return "";
}

}  // namespace

std::map<std::string, absl::Duration> MachineMeter::ByProcess() {
  std::map<std::string, absl::Duration> by_name;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    std::string name;
    const std::vector<std::string> fields = StatFields(entry.path(), &name);
    if (fields.empty()) continue;
    const std::string kind = KindOf(entry.path(), name);
    if (kind.empty()) continue;
    by_name[kind] += TicksOf(fields, 11, 12);
    if (kind == "nodeagent") by_name["runtime and sandboxes"] += TicksOf(fields, 13, 14);
  }
  return by_name;
}

absl::Duration MachineMeter::OfProcess(int pid) {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    return absl::ZeroDuration();
  }
  return absl::DurationFromTimespec(time);
}

absl::Duration MachineMeter::OfTree(int pid) {
  absl::Duration total;
  std::string name;
  for (const auto& directory : Tree(pid)) {
    const std::vector<std::string> fields = StatFields(directory, &name);
    if (!fields.empty()) total += TicksOf(fields, 11, 14);
  }
  return total;
}

int64_t MachineMeter::MemoryOfTree(int pid) {
  int64_t bytes = 0;
  for (const auto& directory : Tree(pid)) {
    std::istringstream rollup(ReadAll(directory / "smaps_rollup"));
    for (std::string word; rollup >> word;) {
      int64_t kib = 0;
      if (word == "Pss:" && rollup >> kib) bytes += kib * 1024;
    }
  }
  return bytes;
}

MachineMeter::MachineMeter() : start_(absl::Now()), machine_(MachineCpu()), self_(SelfCpu()) {}

absl::Duration MachineMeter::CpuUsed(double idle_rate) const {
  const absl::Duration elapsed = absl::Now() - start_;
  return MachineCpu() - machine_ - (SelfCpu() - self_) - elapsed * idle_rate;
}

double MachineMeter::IdleRate(absl::Duration how_long) {
  MachineMeter meter;
  absl::SleepFor(how_long);
  return absl::FDivDuration(meter.CpuUsed(0), how_long);
}

int64_t MachineMeter::AvailableMemory() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  int64_t kib = 0;
  while (file >> key >> kib >> unit) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return 0;
}

}  // namespace paddock::bench
