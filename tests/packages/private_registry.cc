#include "tests/packages/private_registry.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/spawn.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_fleet.h"

namespace paddock::testing {
namespace {

// Of a documentation range, and no more of it than two hosts: others may use the rest.
constexpr char kHere[] = "198.51.100.29/30";
constexpr char kAddress[] = "198.51.100.30";
constexpr char kPort[] = "8443";

void Must(std::vector<std::string> command) {
  const auto done = nodeagent::RunChecked({std::move(command)});
  EXPECT_TRUE(done.ok()) << done.status();
}

}  // namespace

PrivateRegistry::PrivateRegistry()
    : namespace_(absl::StrCat("paddock-reg-", getpid())),
      link_(absl::StrCat("pdreg", getpid() % 1'000'000)) {
  char name[] = "/var/tmp/paddock-private-XXXXXX";
  directory_ = mkdtemp(name);
  Must({"ip", "netns", "add", namespace_});
  Must({"ip", "link", "add", link_, "type", "veth", "peer", "name", "eth0", "netns", namespace_});
  Must({"ip", "addr", "add", kHere, "dev", link_});
  Must({"ip", "link", "set", link_, "up"});
  Must({"ip", "-n", namespace_, "addr", "add", absl::StrCat(kAddress, "/30"), "dev", "eth0"});
  Must({"ip", "-n", namespace_, "link", "set", "eth0", "up"});
  Must({"ip", "-n", namespace_, "link", "set", "lo", "up"});
  Must({"ip", "-n", namespace_, "route", "add", "default", "via", "198.51.100.29"});
  nodeagent::SpawnSpec spec;
  spec.argv = {"ip",       "netns",  "exec", namespace_, "python3", PADDOCK_PRIVATE_REGISTRY,
               directory_, kAddress, kPort};
  const auto child = nodeagent::Spawn(spec);
  EXPECT_TRUE(child.ok()) << child.status();
  if (child.ok()) server_ = child->pid;
  EXPECT_TRUE(Eventually([&] { return nodeagent::PathExists(directory_ + "/ready"); }));
  EXPECT_TRUE(nodeagent::MakeDirectories(certificates()).ok());
  Must({"sh", "-c", "cp /usr/local/share/ca-certificates/*.crt \"$0\" 2>/dev/null || true",
        certificates()});
  Must({"cp", directory_ + "/ca.crt", certificates() + "/company.crt"});
}

PrivateRegistry::~PrivateRegistry() {
  if (server_ > 0) {
    kill(server_, SIGKILL);
    waitpid(server_, nullptr, 0);
  }
  Must({"ip", "link", "del", link_});
  Must({"ip", "netns", "del", namespace_});
  nodeagent::RemoveTree(directory_).IgnoreError();
}

std::map<std::string, std::string> PrivateRegistry::Configuration() const {
  const std::string url = absl::StrCat("https://", kAddress, ":", kPort);
  return {
      {"/etc/apt/sources.list.d/company.list",
       absl::StrCat("deb [trusted=yes] ", url, "/apt ./\n")},
      {"/etc/pip.conf",
       absl::StrCat("[global]\nbreak-system-packages = true\nindex-url = ", url, "/pip/simple\n")},
      {"/root/.npmrc", absl::StrCat("registry=", url, "/npm/\n")},
      {"/root/.gemrc", absl::StrCat(":sources:\n- ", url, "/gem/\n")},
      {"/root/.config/go/env", absl::StrCat("GOPROXY=", url, "/go\nGOSUMDB=off\n")},
      {"/root/.cargo/config.toml",
       absl::StrCat("[source.crates-io]\nreplace-with = \"company\"\n[source.company]\nregistry = "
                    "\"sparse+",
                    url, "/cargo/\"\n")},
  };
}

void PrivateRegistry::AddGems(const std::string& archive) {
  const std::string file = directory_ + "/gems";
  EXPECT_TRUE(nodeagent::WriteFile(file, archive, 0644).ok());
  EXPECT_TRUE(nodeagent::MakeDirectories(directory_ + "/root/gem").ok());
  Must({"sh", "-c", "base64 -d \"$0/gems\" | tar -xz -C \"$0/root/gem\"", directory_});
}

}  // namespace paddock::testing
