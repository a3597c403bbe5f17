#include "nodeagent/egress/egress_connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "nodeagent/egress/egress_reasons.h"
#include "nodeagent/egress/fair_bound.h"
#include "nodeagent/net/ipv4.h"

namespace paddock::nodeagent {
namespace {

// A client that waits for an answer to less than a line has it delayed by this.
constexpr absl::Duration kUndecided = absl::Milliseconds(20);
// For a request's head or a ClientHello to become whole, and for a server to answer one.
constexpr absl::Duration kWholeMessage = absl::Seconds(60);
constexpr absl::Duration kFirstReport = absl::Seconds(5);
constexpr int kReportsFactor = 6;
// What can be looked up and dialed at once, and one session's share of it.
constexpr FairBound kDials(4096, 256);
constexpr char kAllowed[] = "allowed";
constexpr char kFailed[] = "failed";

}  // namespace

EgressConnection::EgressConnection(EgressServices* services, std::shared_ptr<EgressSession> session,
                                   UniqueFd client, std::string name, int port, Ended ended)
    : services_(services),
      session_(std::move(session)),
      name_(std::move(name)),
      port_(port),
      ended_(std::move(ended)),
      client_(services, [this](uint32_t events) { OnEvent(&client_, events); }),
      server_(services, [this](uint32_t events) { OnEvent(&server_, events); }),
      held_(&session_->held, &services->held),
      timer_(services->deadlines, [this] { OnTimer(); }),
      started_(Clock::Real()->Monotonic()),
      next_report_(started_ + kFirstReport) {
  client_.Open(std::move(client));
  ++session_->connections;
}

EgressConnection::~EgressConnection() {
  EndDial();
  services_->connections->Remove(slot_);
  --session_->connections;
}

void EgressConnection::EndDial() {
  if (dial_ != nullptr) {
    --session_->dials;
    --services_->dials;
  }
  dial_.reset();
}

void EgressConnection::Abort() {
  client_.Abort();
  server_.Abort();
}

void EgressConnection::Relay() {
  inspector_ = std::make_unique<ClientInspector>(name_, port_);
  Update();
  int most = kDials.Of(services_->dials);
  if (session_->dials >= most) {
    return Stop("denied_connections", absl::PermissionDeniedError(TooManyConnections(most)));
  }
  ++session_->dials;
  ++services_->dials;
  dial_ = std::make_unique<Dial>(
      services_, name_, port_,
      [this](absl::StatusOr<Dial::Connected> connected) { OnDialed(std::move(connected)); });
  dial_->Start();
}

void EgressConnection::OnDialed(absl::StatusOr<Dial::Connected> connected) {
  if (!connected.ok()) {
    bool denied = absl::IsPermissionDenied(connected.status());
    return Stop(denied ? "denied_address" : kFailed, connected.status());
  }
  address_ = connected->address;
  aliases_ = std::move(connected->aliases);
  server_.Open(std::move(connected->fd));
  EndDial();
  // The lists may have changed since it was dialed.
  if (CutIfBlocked()) return;
  ++services_->verdicts[kAllowed];
  ++session_->counts.allowed;
  kept_ = EntrySoFar();
  slot_ = services_->connections->Add(kept_);
  if (server_.Flush() == RelaySide::Result::kFailed) return End();
  Update();
}

void EgressConnection::OnEvent(RelaySide* side, uint32_t events) {
  if ((events & EPOLLOUT) != 0 && side->Flush() == RelaySide::Result::kFailed) return End();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !Read(side)) return;
  if (client_.finished() && server_.finished()) return End();
  Update();
}

bool EgressConnection::Read(RelaySide* side) {
  absl::string_view bytes;
  bool from_client = side == &client_;
  switch (side->Read(&bytes)) {
    case RelaySide::Result::kWait:
      return true;
    case RelaySide::Result::kDone:
      return from_client ? OnClientBytes(bytes) : OnServerBytes(bytes);
    case RelaySide::Result::kEnd:
      if (from_client) return OnClientEnd();
      client_.FinishSending();
      return true;
    case RelaySide::Result::kFailed:
      // A reset goes on as one.
      (from_client ? server_ : client_).Abort();
      End();
      return false;
  }
  return true;
}

bool EgressConnection::OnClientBytes(absl::string_view bytes) {
  client_spoke_ = true;
  if (inspector_ == nullptr) {
    if (server_.Send(bytes) != RelaySide::Result::kFailed) return true;
    End();
    return false;
  }
  std::string passed;
  absl::Status status = inspector_->Feed(bytes, &passed);
  if (!status.ok()) {
    Stop(absl::StrCat("denied_", inspector_->protocol()), status);
    return false;
  }
  return PassToServer(passed);
}

bool EgressConnection::OnServerBytes(absl::string_view bytes) {
  bytes_received_ += static_cast<int64_t>(bytes.size());
  if (inspector_ != nullptr) {
    std::string passed;
    absl::Status status = inspector_->SeeServer(bytes, &passed);
    if (!status.ok()) {
      // The server's answer to what was before.
      client_.Send(bytes);
      Stop(absl::StrCat("denied_", inspector_->protocol()), status);
      return false;
    }
    if (!PassToServer(passed)) return false;
  }
  if (client_.Send(bytes) != RelaySide::Result::kFailed) return true;
  End();
  return false;
}

bool EgressConnection::OnClientEnd() {
  if (inspector_ != nullptr) {
    std::string passed;
    absl::Status status = inspector_->Finish(&passed);
    if (!status.ok()) {
      Stop(absl::StrCat("denied_", inspector_->protocol()), status);
      return false;
    }
    if (!PassToServer(passed)) return false;
  }
  server_.FinishSending();
  return true;
}

bool EgressConnection::PassToServer(const std::string& bytes) {
  if (inspector_ != nullptr) {
    protocol_ = inspector_->protocol();
    upgrades_removed_ = inspector_->upgrades_removed();
    if (inspector_->transparent()) inspector_.reset();
    if (!held_.Set(inspector_ == nullptr ? 0 : static_cast<int64_t>(inspector_->held()))) {
      Stop("denied_memory", absl::PermissionDeniedError(TooMuchHeld()));
      return false;
    }
    WatchInspector(!bytes.empty());
  }
  if (bytes.empty() || server_.Send(bytes) != RelaySide::Result::kFailed) return true;
  End();
  return false;
}

void EgressConnection::WatchInspector(bool progress) {
  Waiting waiting = Waiting::kNothing;
  if (inspector_ != nullptr && inspector_->releasable()) {
    waiting = Waiting::kLine;
  } else if (inspector_ != nullptr && !inspector_->released() &&
             (inspector_->incomplete() || !inspector_->wants_input())) {
    waiting = Waiting::kMessage;
  }
  if (waiting == waiting_ && !progress) return;
  waiting_ = waiting;
  switch (waiting) {
    case Waiting::kNothing:
      return timer_.Disarm();
    case Waiting::kLine:
      return timer_.ArmAfter(kUndecided);
    case Waiting::kMessage:
      return timer_.ArmAfter(kWholeMessage);
  }
}

void EgressConnection::OnTimer() {
  if (waiting_ == Waiting::kMessage) {
    return Stop(absl::StrCat("denied_", inspector_->protocol()),
                absl::PermissionDeniedError(
                    "the client's first message, or a request, was not completed in time"));
  }
  std::string passed;
  inspector_->ReleaseUndecided(&passed);
  if (PassToServer(passed)) Update();
}

void EgressConnection::Stop(const std::string& verdict, const absl::Status& why) {
  const bool denied = verdict != kFailed;
  ++services_->verdicts[verdict];
  services_->connections->Remove(std::exchange(slot_, ConnectionTable::kNone));
  timer_.Disarm();
  EndDial();
  server_.Abort();
  std::unique_ptr<ClientInspector> inspector = std::move(inspector_);
  held_.Set(0);
  if (inspector != nullptr) protocol_ = inspector->protocol();
  const std::string known = protocol_;
  const std::string wanted = inspector == nullptr ? "" : inspector->wanted_name();
  // Where the server has spoken, an answer of ours would only be taken for its own; unless it was
  // the client's turn again.
  const bool silent =
      bytes_received_ == 0 || (inspector != nullptr && inspector->answerable() && !client_.stuck());
  const bool unknown =
      silent && (!client_spoke_ || (inspector != nullptr && inspector->undecided()));
  auto tell = [this, denied, unknown, reason = std::string(why.message())](
                  absl::string_view protocol, const std::string&) {
    if (unknown) SetProtocol(protocol);
    EgressEvent event = EventSoFar();
    event.reason = reason;
    if (denied) {
      session_->Deny(std::move(event));
    } else {
      session_->Fail(std::move(event));
    }
    return Refusal::Answer{denied, reason};
  };
  refusal_ = std::make_unique<Refusal>(services_, &held_, client_.Take(), tell, [this] { End(); });
  if (unknown) return refusal_->Start(inspector == nullptr ? "" : inspector->undecided_bytes());
  refusal_->StartWith(silent ? known : "tcp", wanted);
}

void EgressConnection::SetProtocol(absl::string_view protocol) {
  protocol_ = protocol == "http" ? "http" : protocol == "tls" ? "tls" : "tcp";
}

std::string EgressConnection::Blocked() const {
  if (services_->is_name_blocked(name_)) return NameBlocked(name_);
  for (const std::string& alias : aliases_) {
    if (services_->is_name_blocked(alias)) return AliasBlocked(name_, alias);
  }
  if (address_ == 0 || !services_->is_blocked(address_)) return "";
  return services_->operator_file_refused ? OperatorFileRefused() : AddressBlocked(name_, address_);
}

bool EgressConnection::CutIfBlocked() {
  if (refusal_ != nullptr) return false;
  std::string reason = Blocked();
  if (reason.empty()) return false;
  Stop("denied_blocklist", absl::PermissionDeniedError(reason));
  return true;
}

void EgressConnection::Refuse(const std::string& verdict, Explain explain) {
  ++services_->verdicts[verdict];
  auto tell = [this, explain = std::move(explain)](absl::string_view protocol,
                                                   const std::string& wanted) {
    SetProtocol(protocol);
    Explanation why = explain(wanted);
    EgressEvent event = EventSoFar();
    event.name = std::move(why.name);
    event.address = std::move(why.address);
    event.reason = std::move(why.reason);
    Refusal::Answer answer{true, event.reason};
    session_->Deny(std::move(event));
    return answer;
  };
  refusal_ = std::make_unique<Refusal>(services_, &held_, client_.Take(), tell, [this] { End(); });
  refusal_->Start("");
}

EgressEvent EgressConnection::EventSoFar() const {
  EgressEvent event;
  event.name = name_;
  if (address_ != 0) event.address = FormatIpv4(address_);
  event.port = port_;
  event.protocol = protocol_;
  event.bytes_sent = server_.taken();
  event.bytes_received = bytes_received_;
  return event;
}

ConnectionTable::Entry EgressConnection::EntrySoFar() const {
  // It has one, so none is made.
  uint32_t name = session_->names.AddressOf(name_).value_or(0);
  return {session_->address, name, address_, port_, server_.taken(), bytes_received_};
}

void EgressConnection::ReportCut() {
  if (refusal_ != nullptr) return refusal_->Hurry();
  EgressEvent event = EventSoFar();
  event.allowed = true;
  event.reason = GatewayEnded();
  session_->log.Add(std::move(event));
}

void EgressConnection::Report() {
  if (refusal_ != nullptr) return;
  ConnectionTable::Entry entry = EntrySoFar();
  if (slot_ == ConnectionTable::kNone) {
    slot_ = services_->connections->Add(entry);
  } else if (!(entry == kept_)) {
    services_->connections->Update(slot_, entry);
  }
  kept_ = entry;
  absl::Duration now = Clock::Real()->Monotonic();
  if (address_ == 0 || now < next_report_) return;
  next_report_ = now + (now - started_) * kReportsFactor;
  EgressEvent event = EventSoFar();
  event.allowed = true;
  event.reason = "still open";
  session_->log.Add(std::move(event));
}

void EgressConnection::Update() {
  bool may_send = !server_.stuck() && (inspector_ == nullptr || inspector_->wants_input());
  client_.Watch(!client_.ended() && may_send, client_.stuck());
  server_.Watch(!server_.ended() && !client_.stuck(), server_.stuck());
}

void EgressConnection::End() {
  if (refusal_ == nullptr && address_ != 0) {
    EgressEvent event = EventSoFar();
    event.allowed = true;
    if (upgrades_removed_ > 0) {
      event.reason =
          "an upgrade offered by the client (h2c or other) was refused; the request went on "
          "without it";
    }
    session_->log.Add(std::move(event));
  }
  session_->counts.bytes_sent += server_.taken();
  session_->counts.bytes_received += bytes_received_;
  timer_.Disarm();
  Ended ended = std::exchange(ended_, nullptr);
  if (ended) ended();  // May destroy this object: nothing comes after.
}

}  // namespace paddock::nodeagent
