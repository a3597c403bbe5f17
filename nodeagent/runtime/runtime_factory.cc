#include "nodeagent/runtime/runtime_factory.h"

#include <sys/resource.h>

#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/runtime/cgroup_layout.h"
#include "nodeagent/runtime/oci_runtime.h"
#include "nodeagent/runtime/seccomp_filter.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/pidfd.h"
#include "nodeagent/system/sealed_program.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {
namespace {

// Absolute path of a program that answers to --version; NOT_FOUND when it isn't installed.
absl::StatusOr<std::string> FindRuntime(const std::string& name,
                                        const std::vector<std::string>& dirs,
                                        std::string* version) {
  for (const std::string& dir : dirs) {
    const std::string path = absl::StrCat(dir, "/", name);
    if (!PathExists(path)) continue;
    SpawnSpec command;
    command.argv = {path, "--version"};
    PADDOCK_ASSIGN_OR_RETURN(*version, RunChecked(command));
    return path;
  }
  return absl::NotFoundError(absl::StrCat(name, " isn't installed"));
}

// As the table of mounts names it.
std::string WithoutLinks(const std::string& path) {
  const std::unique_ptr<char, decltype(&free)> resolved(realpath(path.c_str(), nullptr), &free);
  return resolved == nullptr ? path : resolved.get();
}

rlim_t MaxOpenFiles() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return limit.rlim_max;
}

absl::StatusOr<std::shared_ptr<const OciRuntime::Shared>> MakeShared(
    const OciRuntimeOptions& options, CgroupManager* cgroups) {
  auto made = std::make_shared<OciRuntime::Shared>();
  OciRuntime::Shared& shared = *made;
  shared.cgroups = cgroups;
  shared.init_path = options.init_path;
  if (!PathExists(options.init_path)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the program for PID 1 isn't at ", options.init_path));
  }
  PADDOCK_ASSIGN_OR_RETURN(shared.init_program, SealProgram(options.init_path));
  shared.seccomp_profile = SeccompProfile();
  PADDOCK_ASSIGN_OR_RETURN(const std::string bpf, CompileSeccompFilter(shared.seccomp_profile));
  shared.seccomp_bpf_base64 = absl::Base64Escape(bpf);
  PADDOCK_ASSIGN_OR_RETURN(const CgroupLayout layout, DetectCgroupLayout());
  shared.mount_cgroup = layout.kill().v2;
  shared.max_open_files = MaxOpenFiles();
  std::vector<std::string> needed;
  for (const std::string& path : options.session_dirs) needed.push_back(WithoutLinks(path));
  needed.push_back(WithoutLinks(options.init_path));
  PADDOCK_ASSIGN_OR_RETURN(shared.launchers,
                           LauncherPool::Create(options.work_dir, options.launchers, needed));
  PADDOCK_ASSIGN_OR_RETURN(shared.exits, ExitRegistry::Create(cgroups));
  return made;
}

absl::StatusOr<std::unique_ptr<ContainerRuntime>> MakeRuntime(
    OciFlavor flavor, const std::shared_ptr<const OciRuntime::Shared>& shared) {
  UniqueFd program;
  if (flavor.wants_sealing) {
    PADDOCK_ASSIGN_OR_RETURN(program, SealProgram(flavor.program));
    shared->exits->NameHelpers(absl::StrCat(program.get()));
  }
  return std::make_unique<OciRuntime>(std::move(flavor), std::move(program), shared);
}

std::string FirstLine(const std::string& text) {
  return std::string(absl::string_view(text).substr(0, text.find('\n')));
}

}  // namespace

absl::StatusOr<OciRuntimes> MakeOciRuntimes(const OciRuntimeOptions& options,
                                            CgroupManager* cgroups) {
  PADDOCK_RETURN_IF_ERROR(BecomeSubreaper());
  PADDOCK_ASSIGN_OR_RETURN(const std::shared_ptr<const OciRuntime::Shared> shared,
                           MakeShared(options, cgroups));
  OciRuntimes runtimes;
  for (const auto& make : {CrunFlavor, RuncFlavor, RunscFlavor}) {
    const std::string name = make("").name;
    std::string version;
    const absl::StatusOr<std::string> path = FindRuntime(name, options.search_dirs, &version);
    if (!path.ok()) {
      runtimes.missing[name] = std::string(path.status().message());
      continue;
    }
    PADDOCK_ASSIGN_OR_RETURN(runtimes.found[name], MakeRuntime(make(*path), shared));
    LogInfo("OCI runtime", {{"name", name}, {"version", FirstLine(version)}});
  }
  for (const char* name : {"crun", "runc"}) {
    const auto found = runtimes.found.find(name);
    const bool wanted = options.standard.empty() || options.standard == name;
    if (wanted && found != runtimes.found.end() && runtimes.standard == nullptr) {
      runtimes.standard = found->second;
    }
  }
  if (runtimes.standard == nullptr) {
    return absl::FailedPreconditionError("neither crun nor runc is installed on this machine");
  }
  return runtimes;
}

}  // namespace paddock::nodeagent
