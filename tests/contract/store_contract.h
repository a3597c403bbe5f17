#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "controlplane/core/agent_store.h"
#include "controlplane/core/api_key_store.h"
#include "controlplane/core/environment_store.h"
#include "controlplane/core/image_store.h"

// What every implementation of the stores of environments, agents and API keys must do. A suite is
// run by including its header once in a test binary and instantiating it:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, EnvironmentStoreContract, testing::Values(MakeFakeHarness));
//
// Each test uses tenants of its own, so that harnesses may share one database.
namespace paddock {

// One implementation under test.
class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  virtual EnvironmentStore* environments() = 0;
  virtual AgentStore* agents() = 0;
  virtual ApiKeyStore* api_keys() = 0;
  virtual ImageStore* images() = 0;
  // Makes a session reference `environment`, in whatever way the implementation knows of it.
  virtual SessionId Reference(const Environment& environment) = 0;
  virtual void Unreference(const Environment& environment, const SessionId& session) = 0;
  // A node without images, and what it has later.
  virtual NodeId MakeNode() = 0;
  virtual std::vector<std::string> ImagesOf(const NodeId& node) = 0;
};

using MakeStoreHarness = std::function<std::unique_ptr<StoreHarness>()>;

// A tenant that no other test has.
inline Tenant NewTestTenant() {
  return {"organization", NewId("workspace_", Clock::Real()->Now())};
}

// Ids rise from call to call, as those of creates a millisecond apart do.
class RisingIds {
 public:
  std::string Next(absl::string_view prefix) {
    now_ += absl::Milliseconds(1);
    return NewId(prefix, now_);
  }
  absl::Time now() const { return now_; }

 private:
  // Whole milliseconds, which every store can hold; in the past, so that what a store stamps by its
  // own clock is later.
  absl::Time now_ = absl::FromUnixMillis(absl::ToUnixMillis(Clock::Real()->Now() - absl::Hours(1)));
};

}  // namespace paddock
