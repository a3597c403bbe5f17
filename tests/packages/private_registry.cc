#include "tests/packages/private_registry.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/spawn.h"
#include "nodeagent/system/subprocess.h"
#include "tests/packages/test_fleet.h"
#include "tests/packages/test_slot.h"

namespace paddock::testing {
namespace {

constexpr char kDomain[] = "company.example";

// Two hosts of a documentation range, and no more of it: others may use the rest.
std::string AddressOf(int host) { return absl::StrCat("198.51.100.", 28 + TestSlot() * 4 + host); }
std::string Here() { return AddressOf(1); }
std::string There() { return AddressOf(2); }

// The first that this machine asks.
std::string MachinesResolver() {
  const std::string text = nodeagent::ReadFile("/etc/resolv.conf").value_or("");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() >= 2 && words[0] == "nameserver") return words[1];
  }
  return "127.0.0.1";
}

void Must(std::vector<std::string> command) {
  const auto done = nodeagent::RunChecked({std::move(command)});
  EXPECT_TRUE(done.ok()) << done.status();
}

}  // namespace

const char PrivateRegistry::kMakeGems[] =
    R"(mkdir -p /tmp/gem && cd /tmp/gem && cat >make.rb <<'END'
require 'rubygems/package'
require 'zlib'
%w[lib bin root/gems root/quick/Marshal.4.8].each { |name| FileUtils.mkdir_p(name) }
File.write('lib/hello_gem.rb', "HELLO = 'hello from gem'\n")
File.write('bin/hello-gem', "#!/usr/bin/env ruby\nrequire 'hello_gem'\nputs HELLO\n")
File.chmod(0755, 'bin/hello-gem')
spec = Gem::Specification.new do |s|
  s.name, s.version, s.summary, s.authors = 'hello-gem', '1.0.0', 'says hello', ['test']
  s.files, s.executables = ['lib/hello_gem.rb', 'bin/hello-gem'], ['hello-gem']
end
file = Gem::Package.build(spec)
FileUtils.mv(file, 'root/gems')
File.binwrite('root/quick/Marshal.4.8/hello-gem-1.0.0.gemspec.rz', Zlib::Deflate.deflate(Marshal.dump(spec)))
index = Marshal.dump([['hello-gem', Gem::Version.new('1.0.0'), 'ruby']])
{ 'specs' => index, 'latest_specs' => index, 'prerelease_specs' => Marshal.dump([]) }.each do |name, data|
  File.binwrite("root/#{name}.4.8.gz", Zlib.gzip(data))
end
END
HOME=/tmp ruby -rfileutils make.rb >/dev/null 2>make.log && tar -czf - -C root . | base64 || { cat make.log; exit 1; })";

PrivateRegistry::PrivateRegistry()
    : namespace_(absl::StrCat("paddock-reg-", getpid())),
      link_(absl::StrCat("pdreg", getpid() % 1'000'000)) {
  char name[] = "/var/tmp/paddock-private-XXXXXX";
  directory_ = mkdtemp(name);
  Must({"ip", "netns", "add", namespace_});
  Must({"ip", "link", "add", link_, "type", "veth", "peer", "name", "eth0", "netns", namespace_});
  Must({"ip", "addr", "add", absl::StrCat(Here(), "/30"), "dev", link_});
  Must({"ip", "link", "set", link_, "up"});
  Must({"ip", "-n", namespace_, "addr", "add", absl::StrCat(There(), "/30"), "dev", "eth0"});
  Must({"ip", "-n", namespace_, "link", "set", "eth0", "up"});
  Must({"ip", "-n", namespace_, "link", "set", "lo", "up"});
  Must({"ip", "-n", namespace_, "route", "add", "default", "via", Here()});
  nodeagent::SpawnSpec spec;
  spec.argv = {"python3", PADDOCK_PRIVATE_REGISTRY, directory_, namespace_, There(),
               kDomain,   MachinesResolver()};
  spec.fds = {{2, 2}};
  const auto child = nodeagent::Spawn(spec);
  EXPECT_TRUE(child.ok()) << child.status();
  if (child.ok()) server_ = child->pid;
  EXPECT_TRUE(Eventually([&] { return nodeagent::PathExists(directory_ + "/ready"); }));
  EXPECT_TRUE(
      nodeagent::WriteFile(resolv_conf(), absl::StrCat("nameserver ", There(), "\n"), 0644).ok());
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

std::string PrivateRegistry::Host(const std::string& manager) {
  return absl::StrCat(manager, ".", kDomain);
}

std::map<std::string, std::string> PrivateRegistry::Configuration() {
  const auto url = [](const std::string& manager) {
    return absl::StrCat("https://", Host(manager));
  };
  return {
      {kAptList, absl::StrCat("deb [trusted=yes] ", url("apt"), " ./\n")},
      {"/etc/pip.conf", absl::StrCat("[global]\nbreak-system-packages = true\nindex-url = ",
                                     url("pip"), "/simple\n")},
      {"/root/.npmrc", absl::StrCat("registry=", url("npm"), "/\n")},
      {"/root/.gemrc", absl::StrCat(":sources:\n- ", url("gem"), "/\n")},
      {"/root/.config/go/env", absl::StrCat("GOPROXY=", url("go"), "\nGOSUMDB=off\n")},
      {"/root/.cargo/config.toml",
       absl::StrCat("[source.crates-io]\nreplace-with = \"company\"\n[source.company]\nregistry = "
                    "\"sparse+",
                    url("cargo"), "/\"\n")},
  };
}

void PrivateRegistry::AddGems(const std::string& archive) {
  const std::string file = directory_ + "/gems";
  EXPECT_TRUE(nodeagent::WriteFile(file, archive, 0644).ok());
  EXPECT_TRUE(nodeagent::MakeDirectories(directory_ + "/root/gem").ok());
  Must({"sh", "-c", "base64 -d \"$0/gems\" | tar -xz -C \"$0/root/gem\"", directory_});
}

}  // namespace paddock::testing
