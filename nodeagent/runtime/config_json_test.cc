#include "nodeagent/runtime/config_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace paddock::nodeagent {
namespace {

using Json = nlohmann::json;
using ::testing::Contains;
using ::testing::Not;

ContainerSpec Spec() {
  ContainerSpec spec;
  spec.session_id = "sesn_1";
  spec.hostname = "box";
  spec.uid_base = 0x70010000;
  spec.etc_dir = "/state/etc";
  spec.limits.memory_bytes = 256 << 20;
  spec.env = {"PATH=/bin"};
  return spec;
}

ConfigContext Context() {
  ConfigContext context;
  context.rootfs = "/run/launch/rootfs";
  context.init_path = "/opt/paddock-init";
  context.userns_path = "/proc/1/fd/7";
  context.netns_path = "/proc/1/fd/8";
  return context;
}

Json MountAt(const Json& config, const std::string& destination) {
  for (const Json& mount : config["mounts"]) {
    if (mount["destination"] == destination) return mount;
  }
  return nullptr;
}

TEST(ConfigJsonTest, RunsPid1AsRootInTheWorkspaceWithoutATerminal) {
  const Json process = BuildConfigJson(Spec(), Context())["process"];
  EXPECT_EQ(process["args"], Json::array({"/.paddock/init"}));
  EXPECT_EQ(process["cwd"], "/workspace");
  EXPECT_EQ(process["terminal"], false);
  EXPECT_EQ(process["user"], (Json{{"uid", 0}, {"gid", 0}}));
  EXPECT_EQ(process["env"], Json::array({"PATH=/bin"}));
}

TEST(ConfigJsonTest, JoinsTheSessionsNamespacesAndMakesTheOthers) {
  const Json namespaces = BuildConfigJson(Spec(), Context())["linux"]["namespaces"];
  EXPECT_EQ(namespaces, Json::array({{{"type", "user"}, {"path", "/proc/1/fd/7"}},
                                     {{"type", "network"}, {"path", "/proc/1/fd/8"}},
                                     {{"type", "pid"}},
                                     {{"type", "ipc"}},
                                     {{"type", "uts"}},
                                     {{"type", "mount"}},
                                     {{"type", "cgroup"}}}));
}

TEST(ConfigJsonTest, GrantsAtMostFifteenCapabilitiesAndNoneOverTheHost) {
  const Json capabilities = BuildConfigJson(Spec(), Context())["process"]["capabilities"];
  for (const char* set : {"bounding", "effective", "permitted"}) {
    const auto names = capabilities[set].get<std::vector<std::string>>();
    EXPECT_LE(names.size(), 15U);
    for (const std::string& name : names) {
      EXPECT_NE(name, "CAP_NET_RAW");
      EXPECT_NE(name, "CAP_NET_ADMIN");
      EXPECT_NE(name.substr(0, 8), "CAP_SYS_") << name;
    }
  }
  EXPECT_TRUE(capabilities["ambient"].empty());
  EXPECT_TRUE(capabilities["inheritable"].empty());
}

TEST(ConfigJsonTest, BoundsPtysAndSharedMemory) {
  const Json config = BuildConfigJson(Spec(), Context());
  EXPECT_THAT(MountAt(config, "/dev/pts")["options"], Contains("max=64"));
  EXPECT_THAT(MountAt(config, "/dev/pts")["options"], Contains("newinstance"));
  EXPECT_THAT(MountAt(config, "/dev/shm")["options"], Contains("size=134217728"));
}

TEST(ConfigJsonTest, MountsPid1AndTheSessionsFilesReadOnly) {
  const Json config = BuildConfigJson(Spec(), Context());
  const Json init = MountAt(config, "/.paddock/init");
  EXPECT_EQ(init["source"], "/opt/paddock-init");
  EXPECT_THAT(init["options"], Contains("ro"));
  EXPECT_THAT(init["options"], Not(Contains("noexec")));
  for (const char* name : {"resolv.conf", "hosts", "hostname"}) {
    const Json file = MountAt(config, std::string("/etc/") + name);
    EXPECT_EQ(file["source"], std::string("/state/etc/") + name);
    EXPECT_THAT(file["options"], Contains("ro"));
  }
  EXPECT_THAT(MountAt(config, "/sys")["options"], Contains("ro"));
}

TEST(ConfigJsonTest, ShowsTheCgroupOnlyWhereItIsOfVersion2) {
  ConfigContext context = Context();
  EXPECT_TRUE(MountAt(BuildConfigJson(Spec(), context), "/sys/fs/cgroup").is_null());
  context.mount_cgroup = true;
  EXPECT_THAT(MountAt(BuildConfigJson(Spec(), context), "/sys/fs/cgroup")["options"],
              Contains("ro"));
}

TEST(ConfigJsonTest, TakesTheFilterInEitherForm) {
  ConfigContext context = Context();
  context.seccomp_bpf_base64 = "AAAA";
  Json config = BuildConfigJson(Spec(), context);
  EXPECT_EQ(config["annotations"]["run.oci.seccomp_bpf_data"], "AAAA");
  EXPECT_FALSE(config["linux"].contains("seccomp"));
  context = Context();
  context.seccomp_profile = {{"defaultAction", "SCMP_ACT_ERRNO"}};
  config = BuildConfigJson(Spec(), context);
  EXPECT_EQ(config["linux"]["seccomp"]["defaultAction"], "SCMP_ACT_ERRNO");
  EXPECT_FALSE(config.contains("annotations"));
}

TEST(ConfigJsonTest, NamesIdMappingsOnlyWhenAsked) {
  ConfigContext context = Context();
  EXPECT_FALSE(BuildConfigJson(Spec(), context)["linux"].contains("uidMappings"))
      << "crun would give the host's /dev/null to the sandbox";
  context.name_id_mappings = true;
  const Json mapping = BuildConfigJson(Spec(), context)["linux"]["uidMappings"];
  EXPECT_EQ(mapping, Json::array({{{"containerID", 0}, {"hostID", 0x70010000}, {"size", 65536}}}));
}

TEST(ConfigJsonTest, AsksForNoResourceLimits) {
  EXPECT_FALSE(BuildConfigJson(Spec(), Context())["process"].contains("rlimits"));
}

}  // namespace
}  // namespace paddock::nodeagent
