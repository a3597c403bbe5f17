#include "nodeagent/egress/refusal.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "nodeagent/egress/egress_reasons.h"

namespace paddock::nodeagent {
namespace {

// For a client's first bytes, or the rest of them. One that waits for the server's greeting is told
// by a reset.
constexpr absl::Duration kPatience = absl::Seconds(1);
// For the client to read the answer.
constexpr absl::Duration kDrain = absl::Seconds(2);
constexpr size_t kMaxDrained = 1 << 20;
constexpr size_t kMaxHeld = 16 * 1024;  // Of what the client says before it is answered.
constexpr int kHttpsPort = 443;
constexpr int kForbidden = 403;
constexpr int kBadGateway = 502;

}  // namespace

Refusal::Refusal(EgressServices* services, HeldAccount* held, UniqueFd client, Explain explain,
                 Ended ended)
    : services_(services),
      held_(held),
      client_(std::move(client)),
      explain_(std::move(explain)),
      ended_(std::move(ended)),
      // No name is right, so whatever is complete is refused, and named.
      inspector_(std::make_unique<ClientInspector>("", kHttpsPort)),
      timer_(services->deadlines, [this] {
        if (answered_) return End();
        AnswerByWhatCame();
      }) {}

Refusal::~Refusal() {
  if (client_.valid()) services_->loop->Remove(client_.get());
}

void Refusal::Start(absl::string_view received) {
  timer_.ArmAfter(kPatience);
  if (!received.empty() && Look(received)) return;
  absl::Status added =
      services_->loop->Add(client_.get(), EPOLLIN, [this](uint32_t) { OnReadable(); });
  if (!added.ok()) AnswerClient("tcp", "");
}

void Refusal::StartWith(absl::string_view protocol, const std::string& wanted) {
  absl::Status added =
      services_->loop->Add(client_.get(), EPOLLIN, [this](uint32_t) { OnReadable(); });
  AnswerClient(added.ok() ? protocol : "tcp", wanted);
}

void Refusal::OnReadable() {
  if (answered_) return Drain();
  ssize_t size = recv(client_.get(), services_->buffer.data(), services_->ReadSize(), 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return AnswerByWhatCame();
  Look({services_->buffer.data(), static_cast<size_t>(size)});
}

bool Refusal::Look(absl::string_view bytes) {
  std::string passed;
  absl::Status status = inspector_->Feed(bytes, &passed);
  bool more = status.ok() && !inspector_->other() && inspector_->held() <= kMaxHeld;
  if (more && held_->Set(static_cast<int64_t>(inspector_->held()))) return false;
  AnswerByWhatCame();
  return true;
}

void Refusal::AnswerByWhatCame() {
  std::string wanted = inspector_->wanted_name();
  AnswerClient(inspector_->protocol(), wanted);
}

void Refusal::AnswerClient(absl::string_view protocol, const std::string& wanted) {
  answered_ = true;
  inspector_.reset();
  held_->Set(0);
  Answer answer = explain_(protocol, wanted);
  std::string text;
  if (protocol == "http")
    text = HttpRefusal(answer.denied ? kForbidden : kBadGateway, answer.reason);
  if (protocol == "tls") text = TlsRefusal(answer.denied);
  if (text.empty()) return Reset();
  // It fits an empty socket buffer. Closing with unread bytes would reset the connection and take
  // the answer with it: they are read first.
  if (send(client_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return Reset();
  shutdown(client_.get(), SHUT_WR);
  timer_.ArmAfter(kDrain);
}

void Refusal::Drain() {
  ssize_t size = recv(client_.get(), services_->buffer.data(), services_->ReadSize(), 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size > 0) drained_ += size;
  if (size <= 0 || drained_ > kMaxDrained) End();
}

void Refusal::Reset() {
  linger abort = {1, 0};
  setsockopt(client_.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  End();
}

void Refusal::End() {
  timer_.Disarm();
  services_->loop->Remove(client_.get());
  client_.reset();
  Ended ended = std::exchange(ended_, nullptr);
  if (ended) ended();  // May destroy this object: nothing comes after.
}

}  // namespace paddock::nodeagent
