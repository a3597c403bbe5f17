#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "nodeagent/egress/egress_services.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// What relayed connections need: no delay, and keep-alives. A listener's connections inherit it.
void SetRelayOptions(int fd);

// One end of a relayed connection: a socket, and what waits to be sent to it. Lives in an event
// loop; not thread-safe.
class RelaySide {
 public:
  RelaySide(EgressServices* services, EventLoop::Callback on_event)
      : services_(services), on_event_(std::move(on_event)) {}
  ~RelaySide();
  RelaySide(const RelaySide&) = delete;
  RelaySide& operator=(const RelaySide&) = delete;

  // A connected socket with the options of SetRelayOptions.
  void Open(UniqueFd fd) { fd_ = std::move(fd); }
  bool open() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  // Gives the socket away; it isn't watched any more.
  UniqueFd Take();

  // Closes the socket so that its peer sees a reset.
  void Abort();

  enum class Result { kDone, kWait, kEnd, kFailed };
  // Reads once into the shared buffer. kEnd: the peer has finished sending.
  Result Read(absl::string_view* bytes);
  // Sends what the socket takes; keeps the rest. kWait: some is kept. Before Open all is kept.
  Result Send(absl::string_view bytes);
  // Sends what was kept; finishes the direction if that was asked for.
  Result Flush();
  // No more will be sent, once what is kept is gone.
  void FinishSending();

  // How many bytes the socket has taken.
  int64_t taken() const { return taken_; }
  bool stuck() const { return sent_ < kept_.size(); }
  bool ended() const { return ended_; }        // The peer has finished sending.
  bool finished() const { return finished_; }  // We have.
  // What to be called for; called for nothing, it isn't watched at all: a socket whose both
  // directions have ended would be reported for ever.
  void Watch(bool readable, bool writable);

 private:
  EgressServices* const services_;
  const EventLoop::Callback on_event_;
  UniqueFd fd_;
  uint32_t watched_ = 0;
  std::string kept_;
  size_t sent_ = 0;  // Of kept_.
  int64_t taken_ = 0;
  bool ended_ = false;
  bool finish_ = false;
  bool finished_ = false;
};

}  // namespace paddock::nodeagent
