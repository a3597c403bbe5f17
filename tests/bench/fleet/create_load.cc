#include "tests/bench/fleet/create_load.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "absl/time/clock.h"

namespace paddock::bench {
namespace {

constexpr int kLanes = 8;

template <typename Request, typename Response>
struct Call {
  std::unique_ptr<grpc::ClientContext> context;
  Request request;
  Response response;
};

}  // namespace

// One load, shared by its calls.
struct CreateLoad::Run {
  absl::Mutex mutex;
  LoadResult result ABSL_GUARDED_BY(mutex);
  int64_t open ABSL_GUARDED_BY(mutex) = 0;
  // Called after each create that ended, without the lock.
  std::function<void()> next;

  bool IsIdle() const ABSL_SHARED_LOCKS_REQUIRED(mutex) { return open == 0; }
  void Begin() {
    absl::MutexLock lock(&mutex);
    ++open;
  }
  void Fail(std::string error) {
    absl::MutexLock lock(&mutex);
    if (result.failed++ == 0) result.first_error = std::move(error);
  }
  void End() {
    absl::MutexLock lock(&mutex);
    --open;
  }
  LoadResult Take(absl::Time start) {
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(this, &Run::IsIdle));
    result.took = absl::Now() - start;
    return std::move(result);
  }
};

CreateLoad::CreateLoad(const testing::Endpoint& endpoint, std::string environment_id)
    : environment_id_(std::move(environment_id)) {
  for (int i = 0; i < kLanes; ++i) {
    lanes_.push_back(
        std::make_unique<testing::PaddockClient>(endpoint, testing::MakeChannel(endpoint, i + 1)));
    lanes_.back()->channel()->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
  }
}

testing::PaddockClient& CreateLoad::NextLane() { return *lanes_[next_lane_++ % lanes_.size()]; }

void CreateLoad::Create(const std::shared_ptr<Run>& run, absl::Time due, AfterCreate after) {
  run->Begin();
  testing::PaddockClient& client = NextLane();
  auto call = std::make_shared<Call<v1::CreateSessionRequest, v1::Session>>();
  call->context = client.Context();
  call->request.set_environment_id(environment_id_);
  client.sessions().async()->CreateSession(
      call->context.get(), &call->request, &call->response,
      [this, run, call, due, after](const grpc::Status& status) {
        const absl::Duration latency = absl::Now() - due;
        if (!status.ok()) {
          run->Fail(status.error_message());
        } else if (call->response.state() != v1::SESSION_STATE_RUNNING) {
          run->Fail(call->response.ShortDebugString());
        } else {
          absl::MutexLock lock(&run->mutex);
          run->result.latency.Add(latency);
          run->result.ids.push_back(call->response.id());
        }
        if (status.ok() && after == AfterCreate::kDelete) Delete(run, call->response.id());
        if (run->next) run->next();
        run->End();
      });
}

void CreateLoad::Delete(const std::shared_ptr<Run>& run, const std::string& id) {
  run->Begin();
  testing::PaddockClient& client = NextLane();
  auto call = std::make_shared<Call<v1::DeleteSessionRequest, google::protobuf::Empty>>();
  call->context = client.Context();
  call->request.set_session_id(id);
  client.sessions().async()->DeleteSession(call->context.get(), &call->request, &call->response,
                                           [run, call](const grpc::Status& status) {
                                             if (!status.ok()) run->Fail(status.error_message());
                                             run->End();
                                           });
}

LoadResult CreateLoad::ClosedLoop(int count, int at_once) {
  auto run = std::make_shared<Run>();
  std::atomic<int> left{count};
  run->next = [&] {
    if (left-- > 0) Create(run, absl::Now(), AfterCreate::kKeep);
  };
  const absl::Time start = absl::Now();
  for (int i = 0; i < std::min(count, at_once); ++i) run->next();
  LoadResult result = run->Take(start);
  run->next = nullptr;
  return result;
}

LoadResult CreateLoad::Paced(double rate, absl::Duration how_long, AfterCreate after) {
  auto run = std::make_shared<Run>();
  const absl::Time start = absl::Now();
  const auto count = static_cast<int64_t>(rate * absl::ToDoubleSeconds(how_long));
  absl::Duration latest;
  for (int64_t i = 0; i < count; ++i) {
    const absl::Time due = start + absl::Seconds(static_cast<double>(i) / rate);
    absl::SleepFor(due - absl::Now());
    latest = std::max(latest, absl::Now() - due);
    Create(run, due, after);
  }
  LoadResult result = run->Take(start);
  result.latest_start = latest;
  return result;
}

LoadResult CreateLoad::OpenLoop(double rate, absl::Duration how_long) {
  return Paced(rate, how_long, AfterCreate::kKeep);
}

LoadResult CreateLoad::Churn(double rate, absl::Duration how_long) {
  return Paced(rate, how_long, AfterCreate::kDelete);
}

}  // namespace paddock::bench
