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
    const std::string stat = ReadAll(entry.path() / "stat");
    const size_t open = stat.find('('), close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos) continue;
    const std::string kind = KindOf(entry.path(), stat.substr(open + 1, close - open - 1));
    if (kind.empty()) continue;
    std::istringstream fields(stat.substr(close + 2));
    std::vector<std::string> words(15);
    for (std::string& word : words) fields >> word;
    // Fields 14 to 17 of proc(5): utime, stime, cutime, cstime.
    auto ticks = [&words](size_t i) { return std::strtoll(words[i].c_str(), nullptr, 10); };
    const absl::Duration tick = absl::Seconds(1) / sysconf(_SC_CLK_TCK);
    by_name[kind] += tick * (ticks(11) + ticks(12));
    if (kind == "nodeagent") by_name["runtime and sandboxes"] += tick * (ticks(13) + ticks(14));
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
