#include "nodeagent/runtime/config_json.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {
namespace {

using Json = nlohmann::json;

// Docker's default set without NET_RAW (spoofing), MKNOD, SYS_CHROOT and AUDIT_WRITE. All of them
// count inside the sandbox's user namespace only.
Json Capabilities() {
  return Json::array({"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_SETGID",
                      "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
                      "CAP_KILL"});
}

// Kernel interfaces that show the host; as Moby masks them.
Json MaskedPaths() {
  return Json::array({"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                      "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                      "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"});
}

Json ReadonlyPaths() {
  return Json::array({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
}

Json Mount(const std::string& destination, const std::string& type, const std::string& source,
           Json options) {
  return {{"destination", destination},
          {"type", type},
          {"source", source},
          {"options", std::move(options)}};
}

Json BindReadOnly(const std::string& source, const std::string& destination, bool executable) {
  Json options = {"bind", "ro", "nosuid", "nodev"};
  if (!executable) options.push_back("noexec");
  return Mount(destination, "bind", source, std::move(options));
}

Json Mounts(const ContainerSpec& spec, const ConfigContext& context) {
  Json mounts = {
      Mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      Mount("/dev", "tmpfs", "tmpfs",
            {"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"}),
      Mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5",
             absl::StrCat("max=", kMaxPtys)}),
      // Its pages count against the sandbox's memory.
      Mount("/dev/shm", "tmpfs", "shm",
            {"nosuid", "noexec", "nodev", "mode=1777",
             absl::StrCat("size=", std::max<int64_t>(spec.limits.memory_bytes / 2, 1 << 20))}),
      Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
  };
  if (context.mount_cgroup) {
    mounts.push_back(
        Mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"}));
  }
  for (const char* name : {"resolv.conf", "hosts", "hostname"}) {
    mounts.push_back(BindReadOnly(absl::StrCat(spec.etc_dir, "/", name),
                                  absl::StrCat("/etc/", name), /*executable=*/false));
  }
  mounts.push_back(BindReadOnly(context.init_path, kInitPath, /*executable=*/true));
  return mounts;
}

Json Process(const ContainerSpec& spec, const ConfigContext& context) {
  Json arguments = {kInitPath};
  if (!context.init_serves) arguments.push_back("reap");
  return {
      {"terminal", false},
      {"user", {{"uid", 0}, {"gid", 0}}},
      {"args", std::move(arguments)},
      {"env", spec.env},
      {"cwd", "/workspace"},
      // Nothing inheritable or ambient: a command that drops root drops them all.
      {"capabilities",
       {{"bounding", Capabilities()},
        {"effective", Capabilities()},
        {"permitted", Capabilities()},
        {"inheritable", Json::array()},
        {"ambient", Json::array()}}},
      // setuid programs (sudo, su, ping) work: the root that they lead to is nobody on the host and
      // bounded by the set above, so there is nothing on the host to gain by them.
      {"noNewPrivileges", false},
  };
}

Json IdMapping(const ContainerSpec& spec) {
  return Json::array({{{"containerID", 0}, {"hostID", spec.uid_base}, {"size", kIdRange}}});
}

Json Linux(const ContainerSpec& spec, const ConfigContext& context) {
  Json user = {{"type", "user"}};
  if (!context.userns_path.empty()) user["path"] = context.userns_path;
  Json linux_part = {
      {"namespaces", Json::array({std::move(user),
                                  {{"type", "network"}, {"path", context.netns_path}},
                                  {{"type", "pid"}},
                                  {{"type", "ipc"}},
                                  {{"type", "uts"}},
                                  {{"type", "mount"}},
                                  {{"type", "cgroup"}}})},
      {"maskedPaths", MaskedPaths()},
      {"readonlyPaths", ReadonlyPaths()},
  };
  if (!context.seccomp_profile.is_null()) linux_part["seccomp"] = context.seccomp_profile;
  if (!context.cgroups_path.empty()) linux_part["cgroupsPath"] = context.cgroups_path;
  if (context.name_id_mappings) {
    linux_part["uidMappings"] = IdMapping(spec);
    linux_part["gidMappings"] = IdMapping(spec);
  }
  return linux_part;
}

}  // namespace

Json BuildConfigJson(const ContainerSpec& spec, const ConfigContext& context) {
  Json config = {
      {"ociVersion", "1.0.2"},           {"root", {{"path", context.rootfs}, {"readonly", false}}},
      {"hostname", spec.hostname},       {"process", Process(spec, context)},
      {"mounts", Mounts(spec, context)}, {"linux", Linux(spec, context)},
  };
  if (!context.seccomp_bpf_base64.empty()) {
    config["annotations"] = {{"run.oci.seccomp_bpf_data", context.seccomp_bpf_base64}};
  }
  return config;
}

}  // namespace paddock::nodeagent
