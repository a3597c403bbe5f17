#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "nodeagent/init/init_connection.h"
#include "nodeagent/init/socket_client.h"

namespace paddock::nodeagent {

// What a finished command left behind.
struct Finished {
  absl::StatusOr<ExecExit> exit = absl::UnknownError("not run");
  std::string out;
  std::string err;
};

// The real sandbox program as an ordinary process (not PID 1 of a namespace), with its socket and a
// directory to work in; both are gone afterwards.
class TestSandbox {
 public:
  static constexpr absl::Duration kTimeout = absl::Seconds(20);

  // A socket as PID 1's, which the test serves.
  class Listener {
   public:
    explicit Listener(std::string path) : path_(std::move(path)), fd_(Listen(path_)) {}
    const std::string& path() const { return path_; }
    UniqueFd Accept() const { return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

   private:
    const std::string path_;
    const UniqueFd fd_;
  };

  TestSandbox() {
    // Commands may end before they have read their input.
    signal(SIGPIPE, SIG_IGN);
    char name[] = "/tmp/paddock-init-test-XXXXXX";
    directory_ = mkdtemp(name);
    socket_ = directory_ + "/init.sock";
    const int listener = Listen(socket_);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // A test that dies leaves nothing behind.
      dup2(listener, 3);
      const char* environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "FROM_INIT=yes", nullptr};
      execle(PADDOCK_INIT_BINARY, PADDOCK_INIT_BINARY, nullptr, environment);
      _exit(1);
    }
    close(listener);
    client_ = MakeInitClient(socket_);
  }
  ~TestSandbox() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(directory_);
  }

  InitClient* client() { return client_.get(); }
  pid_t pid() const { return pid_; }
  const std::string& directory() const { return directory_; }
  const std::string& socket_path() const { return socket_; }

  // A shell command in the working directory.
  ExecSpec Shell(const std::string& script) const {
    ExecSpec spec;
    spec.command = {"/bin/sh", "-c", script};
    spec.cwd = directory_;
    return spec;
  }
  // A file command: the program at its mount point.
  Finished Run(const absl::StatusOr<ExecSpec>& spec, const std::string& input = "") {
    Finished finished;
    if (!spec.ok()) {
      finished.exit = spec.status();
      return finished;
    }
    ExecStreams streams;
    auto handle = client_->Exec(*spec, -1, &streams, kTimeout);
    if (!handle.ok()) {
      finished.exit = handle.status();
      return finished;
    }
    Pump(&streams, input, &finished);
    absl::Status ended = WaitReadable((*handle)->exit_fd(), kTimeout);
    finished.exit = ended.ok() ? (*handle)->TakeExit() : ended;
    return finished;
  }

  // Reads `fd` to its end (or a terminal's hang-up).
  static std::string ReadToEnd(int fd) {
    std::string text;
    char buffer[4096];
    while (WaitReadable(fd, kTimeout).ok()) {
      ssize_t got = read(fd, buffer, sizeof(buffer));
      if (got <= 0 && !(got < 0 && errno == EAGAIN)) break;
      if (got > 0) text.append(buffer, static_cast<size_t>(got));
    }
    return text;
  }
  // Reads `fd` until `text` has come, or the time is over; what has come.
  static std::string ReadUntil(int fd, const std::string& text) {
    std::string all;
    char byte;
    while (all.find(text) == std::string::npos && WaitReadable(fd, kTimeout).ok() &&
           read(fd, &byte, 1) == 1) {
      all.push_back(byte);
    }
    return all;
  }

 private:
  static int Listen(const std::string& path) {
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd, 128), 0);
    return fd;
  }
  static void Pump(ExecStreams* streams, const std::string& input, Finished* finished) {
    size_t written = 0;
    if (input.empty()) streams->stdin_write.reset();
    while (streams->stdout_read.valid() || streams->stderr_read.valid()) {
      pollfd polled[] = {{streams->stdin_write.get(), POLLOUT, 0},
                         {streams->stdout_read.get(), POLLIN, 0},
                         {streams->stderr_read.get(), POLLIN, 0}};
      if (poll(polled, 3, 20000) <= 0) break;
      if (polled[0].revents != 0) {
        ssize_t sent = write(polled[0].fd, input.data() + written, input.size() - written);
        if (sent > 0) written += static_cast<size_t>(sent);
        if (written == input.size() || (sent < 0 && errno != EAGAIN)) streams->stdin_write.reset();
      }
      if (polled[1].revents != 0) Take(&streams->stdout_read, &finished->out);
      if (polled[2].revents != 0) Take(&streams->stderr_read, &finished->err);
    }
  }
  static void Take(UniqueFd* fd, std::string* text) {
    char buffer[65536];
    ssize_t got = read(fd->get(), buffer, sizeof(buffer));
    if (got > 0) text->append(buffer, static_cast<size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN)) fd->reset();
  }

  std::string directory_;
  std::string socket_;
  pid_t pid_ = -1;
  std::unique_ptr<InitClient> client_;
};

}  // namespace paddock::nodeagent
