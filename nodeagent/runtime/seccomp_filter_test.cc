#include "nodeagent/runtime/seccomp_filter.h"

#include <gtest/gtest.h>
#include <linux/filter.h>

#include <set>
#include <string>

namespace paddock::nodeagent {
namespace {

using Json = nlohmann::json;

// Names that some rule allows whatever the arguments.
std::set<std::string> AllowedNames(const Json& profile) {
  std::set<std::string> names;
  for (const Json& rule : profile["syscalls"]) {
    if (rule["action"] != "SCMP_ACT_ALLOW" || rule.contains("args")) continue;
    for (const Json& name : rule["names"]) names.insert(name.get<std::string>());
  }
  return names;
}

TEST(SeccompFilterTest, RefusesByDefault) {
  EXPECT_EQ(SeccompProfile()["defaultAction"], "SCMP_ACT_ERRNO");
}

TEST(SeccompFilterTest, AllowsNothingThatReachesTheHost) {
  const std::set<std::string> allowed = AllowedNames(SeccompProfile());
  for (const char* name : {"unshare",
                           "setns",
                           "mount",
                           "umount2",
                           "umount",
                           "pivot_root",
                           "keyctl",
                           "add_key",
                           "request_key",
                           "bpf",
                           "perf_event_open",
                           "userfaultfd",
                           "io_uring_setup",
                           "io_uring_enter",
                           "io_uring_register",
                           "io_setup",
                           "io_submit",
                           "io_getevents",
                           "open_by_handle_at",
                           "clone",
                           "clone3",
                           "socket",
                           "socketcall",
                           "personality",
                           "kexec_load",
                           "init_module",
                           "finit_module",
                           "delete_module",
                           "reboot",
                           "swapon",
                           "acct",
                           "quotactl",
                           "fsopen",
                           "fsmount",
                           "move_mount",
                           "open_tree",
                           "mount_setattr",
                           "fanotify_init",
                           "kcmp",
                           "lookup_dcookie",
                           "syslog",
                           "settimeofday",
                           "clock_settime",
                           "iopl",
                           "ioperm",
                           "modify_ldt",
                           "chroot",
                           "sethostname"}) {
    EXPECT_EQ(allowed.count(name), 0U) << name;
  }
  for (const char* name : {"read", "execve", "ptrace", "openat", "futex", "fork", "vfork"}) {
    EXPECT_EQ(allowed.count(name), 1U) << name;
  }
}

TEST(SeccompFilterTest, AllowsFourSocketFamilies) {
  std::set<int> families;
  const Json profile = SeccompProfile();
  for (const Json& rule : profile["syscalls"]) {
    if (rule["names"][0] == "socket") families.insert(rule["args"][0]["value"].get<int>());
  }
  EXPECT_EQ(families, (std::set<int>{1, 2, 10, 16}));
}

TEST(SeccompFilterTest, MasksEveryNamespaceFlagOfClone) {
  const Json profile = SeccompProfile();
  int rules = 0;
  for (const Json& rule : profile["syscalls"]) {
    if (rule["names"][0] != "clone") continue;
    ++rules;
    EXPECT_EQ(rule["args"][0]["op"], "SCMP_CMP_MASKED_EQ");
    // NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    EXPECT_EQ(rule["args"][0]["value"], 0x7e020000);
    EXPECT_EQ(rule["args"][0]["valueTwo"], 0);
  }
  EXPECT_EQ(rules, 1);
}

TEST(SeccompFilterTest, CompilesToAProgramThatTheKernelTakes) {
  const absl::StatusOr<std::string> program = CompileSeccompFilter(SeccompProfile());
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->size() % sizeof(sock_filter), 0U);
  EXPECT_GT(program->size() / sizeof(sock_filter), 100U);
  EXPECT_LT(program->size() / sizeof(sock_filter), 4096U);
}

TEST(SeccompFilterTest, SaysWhatItDoesNotUnderstand) {
  Json profile = SeccompProfile();
  profile["syscalls"][0]["action"] = "SCMP_ACT_WISH";
  EXPECT_TRUE(absl::IsInvalidArgument(CompileSeccompFilter(profile).status()));
}

}  // namespace
}  // namespace paddock::nodeagent
