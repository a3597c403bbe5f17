#include "tests/privileged/test_sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/status_macros.h"
#include "nodeagent/init/socket_client.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {
namespace {

// The child's part: one step for each byte from the parent, one byte back after each.
[[noreturn]] void MakeNamespacesIn(int in, int out, uint32_t uid) {
  char byte = 0;
  if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0) _exit(1);
  if (unshare(CLONE_NEWUSER) != 0) _exit(2);
  if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1) _exit(3);
  if (unshare(CLONE_NEWNET) != 0) _exit(4);
  if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1) _exit(5);
  _exit(0);
}

absl::StatusOr<UniqueFd> OpenNamespace(pid_t pid, const char* name) {
  UniqueFd fd(open(absl::StrCat("/proc/", pid, "/ns/", name).c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("open a namespace");
  return fd;
}

absl::StatusOr<TestNamespaces> Command(pid_t child, int in, int out, uint32_t uid_base) {
  char byte = 0;
  if (read(in, &byte, 1) != 1) return absl::InternalError("unshare(CLONE_NEWUSER) failed");
  const std::string map = absl::StrCat("0 ", uid_base, " 65536");
  PADDOCK_RETURN_IF_ERROR(WriteControlFile(absl::StrCat("/proc/", child, "/gid_map"), map));
  PADDOCK_RETURN_IF_ERROR(WriteControlFile(absl::StrCat("/proc/", child, "/uid_map"), map));
  if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1) {
    return absl::InternalError("unshare(CLONE_NEWNET) failed");
  }
  TestNamespaces namespaces;
  PADDOCK_ASSIGN_OR_RETURN(namespaces.userns, OpenNamespace(child, "user"));
  PADDOCK_ASSIGN_OR_RETURN(namespaces.netns, OpenNamespace(child, "net"));
  return namespaces;
}

absl::StatusOr<std::string> ReadAvailable(int fd) {
  std::string out;
  char buffer[16384];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n <= 0) return out;
    out.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

absl::StatusOr<TestNamespaces> MakeTestNamespaces(uint32_t uid_base) {
  int to_child[2], from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) {
    return ErrnoStatus("pipe2");
  }
  const UniqueFd child_in(to_child[0]), out(to_child[1]), in(from_child[0]);
  UniqueFd child_out(from_child[1]);
  const pid_t child = fork();
  if (child < 0) return ErrnoStatus("fork");
  if (child == 0) MakeNamespacesIn(child_in.get(), child_out.get(), uid_base);
  child_out.reset();
  absl::StatusOr<TestNamespaces> namespaces = Command(child, in.get(), out.get(), uid_base);
  const char byte = 0;
  if (write(out.get(), &byte, 1) != 1) return ErrnoStatus("write");
  waitpid(child, nullptr, 0);
  return namespaces;
}

absl::StatusOr<std::string> MakeBusyboxRoot(const std::string& dir) {
  const std::string root = absl::StrCat(dir, "/rootfs");
  for (const char* name :
       {"bin", "etc", "proc", "sys", "dev", "tmp", "root", "workspace", ".paddock"}) {
    PADDOCK_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(root, "/", name)));
  }
  chmod(absl::StrCat(root, "/tmp").c_str(), 01777);
  SpawnSpec copy;
  copy.argv = {"cp", "/bin/busybox", absl::StrCat(root, "/bin/busybox")};
  PADDOCK_RETURN_IF_ERROR(RunChecked(copy).status());
  SpawnSpec install;
  install.argv = {"chroot", root, "/bin/busybox", "--install", "-s", "/bin"};
  PADDOCK_RETURN_IF_ERROR(RunChecked(install).status());
  PADDOCK_RETURN_IF_ERROR(WriteFile(absl::StrCat(root, "/etc/passwd"),
                                    "root:x:0:0:root:/root:/bin/sh\n"
                                    "user:x:1000:1000:user:/tmp:/bin/sh\n",
                                    0644));
  PADDOCK_RETURN_IF_ERROR(
      WriteFile(absl::StrCat(root, "/etc/group"), "root:x:0:\nuser:x:1000:\n", 0644));
  return root;
}

ScratchDirectory::ScratchDirectory() {
  char name[] = "/var/tmp/paddock-test-XXXXXX";
  path_ = mkdtemp(name);
}

ScratchDirectory::~ScratchDirectory() {
  const absl::Status removed = RemoveTree(path_);
  EXPECT_TRUE(removed.ok()) << removed;
}

absl::StatusOr<TestSandbox> PrepareSandbox(const std::string& dir, const std::string& root_dir,
                                           const std::string& id, uint32_t uid_base) {
  TestSandbox sandbox;
  PADDOCK_ASSIGN_OR_RETURN(sandbox.namespaces, MakeTestNamespaces(uid_base));
  const std::string state = absl::StrCat(dir, "/", id);
  ContainerSpec& spec = sandbox.spec;
  spec.session_id = id;
  spec.bundle_dir = absl::StrCat(state, "/bundle");
  spec.runtime_root = absl::StrCat(state, "/runtime");
  spec.cgroup = id;
  spec.lower_dirs = {root_dir};
  spec.volume_dir = absl::StrCat(state, "/volume");
  spec.userns_fd = sandbox.namespaces.userns.get();
  spec.netns_fd = sandbox.namespaces.netns.get();
  spec.uid_base = uid_base;
  spec.hostname = "sandbox";
  spec.etc_dir = absl::StrCat(state, "/etc");
  spec.init_socket = absl::StrCat(state, "/init.sock");
  spec.limits.cpu_millis = 2000;
  spec.limits.memory_bytes = 256 << 20;
  spec.limits.pids = 256;
  spec.limits.disk_bytes = 64 << 20;
  spec.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  for (const char* name : {"/volume/upper", "/volume/work", "/etc"}) {
    PADDOCK_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(state, name)));
  }
  for (const char* name : {"resolv.conf", "hosts", "hostname"}) {
    PADDOCK_RETURN_IF_ERROR(
        WriteFile(absl::StrCat(spec.etc_dir, "/", name), absl::StrCat(name, "\n"), 0644));
  }
  return sandbox;
}

absl::StatusOr<CommandResult> RunBy(InitClient* client, const ExecSpec& spec,
                                    const std::string& input, int cgroup_procs_fd,
                                    absl::Duration timeout) {
  ExecStreams streams;
  PADDOCK_ASSIGN_OR_RETURN(const std::unique_ptr<ExecHandle> handle,
                           client->Exec(spec, cgroup_procs_fd, &streams, timeout));
  // Inputs of tests fit into a pipe; who has ended already doesn't take it.
  if (!input.empty()) {
    [[maybe_unused]] const ssize_t sent =
        write(streams.stdin_write.get(), input.data(), input.size());
  }
  streams.stdin_write.reset();
  CommandResult result;
  const absl::Duration deadline = Clock::Real()->Monotonic() + timeout;
  bool ended = false;
  while (!ended) {
    pollfd polls[3] = {{streams.stdout_read.get(), POLLIN, 0},
                       {streams.stderr_read.get(), POLLIN, 0},
                       {handle->exit_fd(), POLLIN, 0}};
    const int64_t left = absl::ToInt64Milliseconds(deadline - Clock::Real()->Monotonic());
    if (left <= 0) return absl::DeadlineExceededError("the command inside took too long");
    poll(polls, 3, static_cast<int>(left));
    ended = polls[2].revents != 0;
    for (UniqueFd* stream : {&streams.stdout_read, &streams.stderr_read}) {
      if (!stream->valid()) continue;
      PADDOCK_ASSIGN_OR_RETURN(const std::string data, ReadAvailable(stream->get()));
      const short events = polls[stream == &streams.stdout_read ? 0 : 1].revents;
      if (data.empty() && (events & POLLHUP) != 0) stream->reset();
      result.output += data;
    }
  }
  PADDOCK_ASSIGN_OR_RETURN(const ExecExit exit, handle->TakeExit());
  result.code = exit.code;
  result.signal = exit.signal;
  return result;
}

absl::StatusOr<CommandResult> RunInside(const ContainerSpec& spec,
                                        const std::vector<std::string>& command,
                                        absl::Duration timeout, const std::string& user,
                                        int cgroup_procs_fd) {
  ExecSpec exec;
  exec.command = command;
  exec.user = user;
  return RunBy(MakeInitClient(spec.init_socket).get(), exec, "", cgroup_procs_fd, timeout);
}

absl::StatusOr<CommandResult> ShellInside(const ContainerSpec& spec, const std::string& script,
                                          const std::string& user) {
  return RunInside(spec, {"/bin/sh", "-c", script}, absl::Seconds(20), user);
}

}  // namespace paddock::nodeagent
