#pragma once

#include <gmock/gmock.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "nodeagent/init/files.h"
#include "nodeagent/init/init_connection.h"
#include "nodeagent/session/exec_clients.h"
#include "nodeagent/system/pidfd.h"
#include "tests/privileged/runtime_fixture.h"

namespace paddock::nodeagent {

// A sandbox and how the agent gets commands into it, each in a cgroup of its own.
class HelperFixture : public RuntimeFixture {
 protected:
  static constexpr absl::Duration kTimeout = absl::Seconds(20);
  // What PID 1 has for an answer.
  static constexpr absl::Duration kPatience = absl::Milliseconds(500);

  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    signal(SIGPIPE, SIG_IGN);
    resources_.paths = &paths_;
    resources_.cgroups = cgroups_.get();
    resources_.runtimes[""] = runtime();
    clients_ = std::make_unique<ExecClients>(&resources_, kPatience);
  }

  // Starts the sandbox of slot 0.
  void StartSandbox() {
    spec_ = &Add();
    container_ = Start(*spec_);
    record_.spec.session_id = spec_->session_id;
    record_.spec.generation = 1;
    record_.spec.limits = spec_->limits;
    record_.runtime = runtime()->name();
  }
  void StopPid1() { ASSERT_EQ(kill(container_.pid, SIGSTOP), 0); }

  std::string ExecCgroup() const { return absl::StrCat(spec_->session_id, "/exec-", exec_id_); }
  // A client for the next command, and its cgroup.
  std::unique_ptr<InitClient> Next(UniqueFd* procs) {
    exec_id_ = absl::StrCat("e", ++execs_);
    absl::StatusOr<int> fd = cgroups_->CreateExec(spec_->session_id, exec_id_);
    EXPECT_TRUE(fd.ok()) << fd.status();
    procs->reset(fd.value_or(-1));
    return clients_->Make(record_, exec_id_);
  }
  absl::StatusOr<CommandResult> Run(const ExecSpec& spec, const std::string& input = "") {
    UniqueFd procs;
    const std::unique_ptr<InitClient> client = Next(&procs);
    return RunBy(client.get(), spec, input, procs.get());
  }
  static ExecSpec ShellSpec(const std::string& script, const std::string& user = "") {
    ExecSpec spec;
    spec.command = {"/bin/sh", "-c", script};
    spec.user = user;
    return spec;
  }
  std::string Say(const std::string& script, const std::string& user = "") {
    const absl::StatusOr<CommandResult> result = Run(ShellSpec(script, user));
    EXPECT_TRUE(result.ok()) << script << ": " << result.status();
    return result.ok() ? result->output : "";
  }
  // Begins a command and leaves it running.
  std::unique_ptr<ExecHandle> Begin(const ExecSpec& spec, ExecStreams* streams) {
    UniqueFd procs;
    const std::unique_ptr<InitClient> client = Next(&procs);
    auto handle = client->Exec(spec, procs.get(), streams, kTimeout);
    EXPECT_TRUE(handle.ok()) << handle.status();
    return handle.ok() ? *std::move(handle) : nullptr;
  }
  absl::StatusOr<ExecExit> Wait(ExecHandle* handle) {
    const absl::Status ended = WaitReadable(handle->exit_fd(), kTimeout);
    return ended.ok() ? handle->TakeExit() : ended;
  }
  // Reads until `text` has come.
  static std::string ReadUntil(int fd, const std::string& text) {
    std::string all;
    char byte;
    while (all.find(text) == std::string::npos && WaitReadable(fd, kTimeout).ok() &&
           read(fd, &byte, 1) == 1) {
      all.push_back(byte);
    }
    return all;
  }

  Paths paths_{scratch_ == nullptr ? "" : scratch_->path(), ""};
  NodeResources resources_;
  std::unique_ptr<ExecClients> clients_;
  const ContainerSpec* spec_ = nullptr;
  RunningContainer container_;
  SessionRecord record_;
  std::string exec_id_;
  int execs_ = 0;
};

}  // namespace paddock::nodeagent
