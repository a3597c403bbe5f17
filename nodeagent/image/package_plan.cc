#include "nodeagent/image/package_plan.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace paddock::nodeagent {
namespace {

using Env = std::map<std::string, std::string>;

constexpr size_t kMaxSpecs = 500;
constexpr size_t kMaxSpecBytes = 1024;  // 256 characters of UTF-8.

// Inside the sandbox; caches go here and not into the layer.
constexpr char kScratch[] = "/var/tmp/paddock-build";

// Services that maintainer scripts would start don't run in a build.
constexpr char kForbidServices[] =
    "[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\\n# of a package build\\nexit 101\\n' "
    ">/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d; }";
constexpr char kAllowServices[] =
    "if grep -qs 'of a package build' /usr/sbin/policy-rc.d; then rm /usr/sbin/policy-rc.d; fi";

PackageCommand Shell(const char* script) { return {{"/bin/sh", "-c", script}, {}, ""}; }

PackageCommand Remove(std::vector<std::string> paths) {
  paths.insert(paths.begin(), {"rm", "-rf", "--"});
  return {std::move(paths), {}, ""};
}

std::vector<std::string> With(std::vector<std::string> argv,
                              const std::vector<std::string>& specs) {
  argv.insert(argv.end(), specs.begin(), specs.end());
  return argv;
}

// As many commands as specs, for managers that install one at a time.
void AddEach(const std::vector<std::string>& argv, const std::vector<std::string>& specs,
             const Env& env, PackagePlan* plan) {
  for (const std::string& spec : specs) plan->commands.push_back({With(argv, {spec}), env, spec});
}

std::string OnlyOf(const std::vector<std::string>& specs) {
  return specs.size() == 1 ? specs[0] : "";
}

PackagePlan PlanApt(const std::vector<std::string>& packages, const std::string& about) {
  const Env env = {{"DEBIAN_FRONTEND", "noninteractive"}};
  PackagePlan plan;
  plan.commands = {
      Shell(kForbidServices),
      {{"apt-get", "update", "--option", "Acquire::Retries=3", "--option",
        "Acquire::Languages=none", "--option", "APT::Update::Error-Mode=any"},
       env,
       ""},
      // The layer is written to disk as a whole, later.
      {With({"apt-get", "install", "--yes", "--no-install-recommends", "--option",
             "Acquire::Retries=3", "--option", "Dpkg::Use-Pty=0", "--option",
             "Dpkg::Options::=--force-unsafe-io", "--"},
            packages),
       env, about},
      {{"apt-get", "clean"}, env, ""},
      Shell(kAllowServices),
      Remove({"/var/lib/apt/lists", "/var/cache/apt/pkgcache.bin", "/var/cache/apt/srcpkgcache.bin",
              "/var/log/apt", "/var/log/dpkg.log"}),
      Shell("mkdir -p /var/lib/apt/lists/partial"),
  };
  return plan;
}

PackagePlan PlanCargo(const PackageRequest& request) {
  Env env = {{"CARGO_TARGET_DIR", absl::StrCat(kScratch, "/cargo-target")},
             {"CARGO_TERM_COLOR", "never"},
             {"CARGO_TERM_PROGRESS_WHEN", "never"},
             {"CARGO_NET_RETRY", "3"}};
  if (!request.ca_file.empty()) env["CARGO_HTTP_CAINFO"] = request.ca_file;
  PackagePlan plan;
  AddEach({"cargo", "install", "--root", "/usr/local", "--locked", "--"}, request.specs, env,
          &plan);
  // CARGO_HOME isn't moved: an operator's mirror may be configured there.
  plan.commands.push_back(Remove({kScratch, "/root/.cargo/registry", "/root/.cargo/git",
                                  "/root/.cargo/.package-cache", "/root/.cargo/.global-cache"}));
  return plan;
}

PackagePlan PlanGem(const PackageRequest& request) {
  PackagePlan plan;
  // No "--" here: what follows it goes to the compilers of extensions.
  plan.commands = {
      {With({"gem", "install", "--no-document", "--bindir", "/usr/local/bin"}, request.specs),
       {},
       OnlyOf(request.specs)},
      Remove({"/root/.gem", "/root/.cache/gem", "/root/.local/share/gem/specs"})};
  return plan;
}

PackagePlan PlanGo(const PackageRequest& request) {
  const Env env = {{"GOBIN", "/usr/local/bin"},
                   {"GOPATH", absl::StrCat(kScratch, "/go")},
                   {"GOCACHE", absl::StrCat(kScratch, "/go-build")}};
  PackagePlan plan;
  for (const std::string& spec : request.specs) {
    const std::string versioned =
        absl::StrContains(spec, '@') ? spec : absl::StrCat(spec, "@latest");
    plan.commands.push_back({{"go", "install", "--", versioned}, env, spec});
  }
  plan.commands.push_back(Remove({kScratch}));
  return plan;
}

PackagePlan PlanNpm(const PackageRequest& request) {
  Env env = {{"npm_config_cache", absl::StrCat(kScratch, "/npm")},
             {"npm_config_update_notifier", "false"},
             {"npm_config_audit", "false"},
             {"npm_config_fund", "false"},
             {"npm_config_color", "false"}};
  if (!request.ca_file.empty()) env["npm_config_cafile"] = request.ca_file;
  PackagePlan plan;
  plan.commands = {
      {With({"npm", "install", "--global", "--prefix", "/usr/local", "--foreground-scripts", "--"},
            request.specs),
       env, OnlyOf(request.specs)},
      Remove({kScratch, "/root/.npm"})};
  // require() looks beside the requiring file and here.
  plan.environment = {"NODE_PATH=/usr/local/lib/node_modules"};
  return plan;
}

PackagePlan PlanPip(const PackageRequest& request) {
  // As variables: versions that don't know one ignore it.
  Env env = {{"PIP_BREAK_SYSTEM_PACKAGES", "1"}, {"PIP_NO_INPUT", "1"},
             {"PIP_NO_CACHE_DIR", "1"},          {"PIP_ROOT_USER_ACTION", "ignore"},
             {"PIP_PROGRESS_BAR", "off"},        {"PIP_DISABLE_PIP_VERSION_CHECK", "1"}};
  if (!request.ca_file.empty()) env["PIP_CERT"] = request.ca_file;
  PackagePlan plan;
  plan.commands = {
      {With({"python3", "-m", "pip", "install", "--"}, request.specs), env, OnlyOf(request.specs)},
      Remove({"/root/.cache/pip"})};
  return plan;
}

// What Debian calls a manager, with what its packages are built by.
std::vector<std::string> ToolchainPackages(absl::string_view manager) {
  if (manager == "cargo") return {"cargo", "gcc", "libc6-dev", "pkg-config"};
  if (manager == "gem") return {"ruby", "ruby-dev", "gcc", "g++", "make", "libc6-dev"};
  if (manager == "go") return {"golang-go", "ca-certificates"};
  if (manager == "npm") return {"nodejs", "npm", "ca-certificates"};
  if (manager == "pip") return {"python3", "python3-pip", "ca-certificates"};
  return {};
}

absl::Status CheckSpec(absl::string_view manager, const std::string& spec) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(manager, " \"", spec, "\": ", why));
  };
  if (spec.empty() || spec.size() > kMaxSpecBytes) return refuse("bad length");
  if (spec[0] == '-') return refuse("must not start with '-'");
  for (const unsigned char c : spec) {
    if (c <= ' ' || c == 0x7f) return refuse("must not hold white space or control characters");
  }
  if (manager == "apt") {
    // apt would remove it, or read a file.
    if (spec.back() == '-') return refuse("must not end with '-'");
    if (spec[0] == '.' || spec[0] == '/') return refuse("must be the name of a package");
  }
  return absl::OkStatus();
}

}  // namespace

absl::string_view ManagerProgram(absl::string_view manager) {
  if (manager == "apt") return "apt-get";
  if (manager == "pip") return "pip3";
  return manager;
}

absl::StatusOr<PackagePlan> PlanPackages(const PackageRequest& request) {
  const std::string& manager = request.manager;
  if (std::find(std::begin(kManagers), std::end(kManagers), manager) == std::end(kManagers)) {
    return absl::InvalidArgumentError(absl::StrCat("no package manager \"", manager, "\""));
  }
  if (request.toolchain) {
    const std::vector<std::string> packages = ToolchainPackages(manager);
    if (packages.empty() || !request.specs.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("no toolchain for ", manager));
    }
    return PlanApt(packages, manager);
  }
  if (request.specs.empty() || request.specs.size() > kMaxSpecs) {
    return absl::InvalidArgumentError(absl::StrCat("want 1 to ", kMaxSpecs, " packages"));
  }
  for (const std::string& spec : request.specs) {
    if (absl::Status status = CheckSpec(manager, spec); !status.ok()) return status;
  }
  if (manager == "apt") return PlanApt(request.specs, OnlyOf(request.specs));
  if (manager == "cargo") return PlanCargo(request);
  if (manager == "gem") return PlanGem(request);
  if (manager == "go") return PlanGo(request);
  if (manager == "npm") return PlanNpm(request);
  return PlanPip(request);
}

std::vector<std::string> FitsInterpreterCommand(absl::string_view manager,
                                                const std::string& package) {
  // A path or an address is what it is; asking would run its build again.
  if (manager != "pip" || package.empty()) return {};
  if (package.find_first_of("/:") != std::string::npos) return {};
  return {"python3",
          "-m",
          "pip",
          "download",
          "--quiet",
          "--no-deps",
          "--only-binary",
          ":all:",
          "--dest",
          absl::StrCat(kScratch, "/fits"),
          "--",
          package};
}

}  // namespace paddock::nodeagent
