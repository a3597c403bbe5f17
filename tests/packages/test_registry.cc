#include "tests/packages/test_registry.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "nodeagent/system/file.h"
#include "nodeagent/system/spawn.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_agent.h"

namespace paddock::testing {

TestRegistry::TestRegistry() : port_(FreePort()) {
  char name[] = "/var/tmp/paddock-registry-XXXXXX";
  directory_ = mkdtemp(name);
  const std::string config = directory_ + "/config.yml";
  EXPECT_TRUE(
      nodeagent::WriteFile(
          config, absl::StrCat("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: "
                               "{rootdirectory: ",
                               directory_, "/store}\nhttp: {addr: 127.0.0.1:", port_, "}\n"))
          .ok());
  nodeagent::SpawnSpec spec;
  spec.argv = {"docker-registry", "serve", config};
  const auto child = nodeagent::Spawn(spec);
  EXPECT_TRUE(child.ok()) << child.status();
  if (child.ok()) pid_ = child->pid;
  nodeagent::SpawnSpec wait;
  wait.argv = {"curl",
               "--silent",
               "--fail",
               "--retry",
               "50",
               "--retry-delay",
               "1",
               "--retry-connrefused",
               absl::StrCat("http://127.0.0.1:", port_, "/v2/")};
  nodeagent::SubprocessOptions options;
  options.timeout = absl::Seconds(60);
  const auto up = nodeagent::RunChecked(wait, options);
  EXPECT_TRUE(up.ok()) << up.status();
}

TestRegistry::~TestRegistry() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  nodeagent::RemoveTree(directory_).IgnoreError();
}

std::vector<std::string> TestRegistry::Flags() const {
  return {absl::StrCat("--layer_registry=127.0.0.1:", port_, "/layers"),
          "--layer_registry_flags=--src-tls-verify=false,--dest-tls-verify=false",
          "--volumes_bytes=2147483648"};
}

std::string TestRegistry::Reference(const std::string& digest) const {
  return absl::StrCat("docker://127.0.0.1:", port_,
                      "/layers:", absl::StripPrefix(digest, "sha256:"));
}

std::vector<std::string> TestRegistry::Tags() const {
  const auto answer = nodeagent::RunChecked(
      {{"curl", "--silent", absl::StrCat("http://127.0.0.1:", port_, "/v2/layers/tags/list")}});
  EXPECT_TRUE(answer.ok()) << answer.status();
  const auto list = nlohmann::json::parse(answer.value_or(""), nullptr, false);
  std::vector<std::string> tags;
  if (!list.is_object() || !list.contains("tags") || !list["tags"].is_array()) return tags;
  for (const auto& tag : list["tags"]) tags.push_back(tag.get<std::string>());
  return tags;
}

void TestRegistry::Lose() {
  const absl::Status removed = nodeagent::RemoveTree(directory_ + "/store");
  EXPECT_TRUE(removed.ok()) << removed;
}

}  // namespace paddock::testing
