#include "nodeagent/net/kernel_namespace_pool.h"

#include <algorithm>
#include <cstring>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "common/await_for.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/status_macros.h"
#include "nodeagent/net/ipv4.h"

namespace paddock::nodeagent {
namespace {

constexpr absl::Duration kLookAgain = absl::Milliseconds(200);
constexpr absl::Duration kCleanUpWithin = absl::Seconds(1);
constexpr absl::Duration kWaitForSlot = absl::Seconds(2);
constexpr size_t kFullBatch = 128;

uint16_t RandomSalt() {
  absl::BitGen random;
  return absl::Uniform<uint16_t>(random);
}

}  // namespace

KernelNamespacePool::KernelNamespacePool(const NamespacePoolOptions& options)
    : options_(options),
      maker_(options.binary, options.router_netns, options.network.GatewayAddress()),
      slots_(options.slots) {
  thread_ = std::thread([this] { Run(); });
}

KernelNamespacePool::~KernelNamespacePool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

absl::StatusOr<NamespacePair> KernelNamespacePool::Acquire() {
  int index = -1;
  {
    absl::MutexLock lock(&mutex_);
    if (!ready_.empty()) {
      NamespacePair pair = std::move(ready_.front());
      ready_.pop_front();
      return pair;
    }
    PADDOCK_ASSIGN_OR_RETURN(index, TakeSlot());
  }
  return MakePair(index);
}

absl::StatusOr<int> KernelNamespacePool::TakeSlot() {
  auto free_or_hopeless = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return slots_.free() > 0 || slots_.draining() == 0;
  };
  AwaitFor(&mutex_, absl::Condition(&free_or_hopeless), kWaitForSlot);
  return slots_.Take();
}

absl::Status KernelNamespacePool::Adopt(int index) {
  absl::MutexLock lock(&mutex_);
  return slots_.TakeThis(index);
}

absl::Status KernelNamespacePool::Release(int index) {
  absl::MutexLock lock(&mutex_);
  DrainSlot(index);
  return absl::OkStatus();
}

void KernelNamespacePool::DrainSlot(int index) {
  if (!slots_.Drain(index)) return;
  if (draining_.empty()) draining_since_ = Clock::Real()->Monotonic();
  draining_.push_back(index);
}

absl::Status KernelNamespacePool::Sweep() {
  auto request = std::make_unique<PairRequest>();
  request->operation = PairOperation::kRemove;
  request->address = *ParseIpv4(options_.network.SlotAddress(0));
  {
    absl::MutexLock lock(&mutex_);
    for (int index = 0; index < kMaxSlots; ++index) {
      if (!slots_.IsUsed(index)) request->AddSlot(index);
    }
  }
  return maker_.Call(*request).status();
}

void KernelNamespacePool::Start() {
  absl::MutexLock lock(&mutex_);
  filling_ = true;
}

absl::StatusOr<NamespacePair> KernelNamespacePool::MakePair(int index) {
  auto request = std::make_unique<PairRequest>();
  request->operation = PairOperation::kMake;
  request->index = index;
  request->uid_base = options_.uid_range_start + static_cast<uint32_t>(index) * 65536;
  request->address = *ParseIpv4(options_.network.SlotAddress(index));
  std::string veth = VethName(index, RandomSalt());
  memcpy(request->veth, veth.c_str(), veth.size() + 1);
  absl::StatusOr<PairFds> fds = maker_.Call(*request);
  if (!fds.ok()) {
    absl::MutexLock lock(&mutex_);
    DrainSlot(index);
    return fds.status();
  }
  NamespacePair pair;
  pair.index = index;
  pair.uid_base = request->uid_base;
  pair.address = options_.network.SlotAddress(index);
  pair.gateway = options_.network.GatewayAddress();
  pair.router_veth = veth;
  pair.userns = std::move(fds->userns);
  pair.netns = std::move(fds->netns);
  return pair;
}

void KernelNamespacePool::Run() {
  while (true) {
    bool more = Step();
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    if (more) continue;
    // What is wanted still has failed just now; clean-ups that aren't yet wait for their time.
    bool failed = WantsMore();
    auto wake = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return stopping_ || (!failed && WantsMore()) || (!failed && WantsCleanUp());
    };
    auto work = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return stopping_ || WantsMore() || !draining_.empty();
    };
    mutex_.Await(absl::Condition(&work));
    AwaitFor(&mutex_, absl::Condition(&wake), kLookAgain);
  }
}

bool KernelNamespacePool::WantsMore() const {
  return filling_ && slots_.free() > 0 && static_cast<int>(ready_.size()) < options_.ready;
}

bool KernelNamespacePool::WantsCleanUp() const {
  if (draining_.empty()) return false;
  return draining_.size() >= kFullBatch || slots_.free() == 0 ||
         Clock::Real()->Monotonic() - draining_since_ >= kCleanUpWithin;
}

bool KernelNamespacePool::Step() {
  bool make = false;
  bool clean = false;
  {
    absl::MutexLock lock(&mutex_);
    // Sessions wait for pairs, nobody for a clean-up.
    make = WantsMore();
    clean = WantsCleanUp();
  }
  if (make && MakeOneAhead()) return true;
  return clean && CleanUp();
}

bool KernelNamespacePool::MakeOneAhead() {
  absl::StatusOr<int> index = 0;
  {
    absl::MutexLock lock(&mutex_);
    index = slots_.Take();
  }
  if (!index.ok()) return false;  // A session was quicker.
  absl::StatusOr<NamespacePair> pair = MakePair(*index);
  if (!pair.ok()) {
    LogWarning("making a namespace pair failed",
               {{"slot", *index}, {"error", pair.status().ToString()}});
    return false;
  }
  absl::MutexLock lock(&mutex_);
  ready_.push_back(*std::move(pair));
  return true;
}

bool KernelNamespacePool::CleanUp() {
  auto request = std::make_unique<PairRequest>();
  request->operation = PairOperation::kRemove;
  request->address = *ParseIpv4(options_.network.SlotAddress(0));
  std::vector<int> batch;
  {
    absl::MutexLock lock(&mutex_);
    batch.swap(draining_);
  }
  for (int index : batch) request->AddSlot(index);
  absl::Status status = maker_.Call(*request).status();
  absl::MutexLock lock(&mutex_);
  if (!status.ok()) {
    LogWarning("cleaning up sandboxes' networks failed",
               {{"slots", batch.size()}, {"error", status.ToString()}});
    draining_.insert(draining_.end(), batch.begin(), batch.end());
    draining_since_ = Clock::Real()->Monotonic();
    return false;
  }
  for (int index : batch) slots_.Free(index);
  return true;
}

absl::StatusOr<std::unique_ptr<NamespacePool>> CreateNamespacePool(
    const NamespacePoolOptions& options) {
  int room = std::min(options.network.MaxSlots(), kMaxSlots);
  if (options.slots < 1 || options.slots > room) {
    return absl::InvalidArgumentError(absl::StrCat(
        "slots: 1 to ", room, " in subnet ", options.network.Subnet(), ", not ", options.slots));
  }
  uint64_t last_uid = options.uid_range_start + uint64_t{65536} * options.slots;
  if (options.uid_range_start < 65536 || last_uid > 0xfffffffe) {
    return absl::InvalidArgumentError("the slots' uid ranges don't fit in 32 bits");
  }
  return std::make_unique<KernelNamespacePool>(options);
}

}  // namespace paddock::nodeagent
