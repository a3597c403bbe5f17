#include "tests/contract/agent_store_contract.h"
#include "tests/contract/api_key_store_contract.h"
#include "tests/contract/environment_store_contract.h"
#include "tests/contract/image_store_contract.h"
#include "tests/fakes/controlplane/fake_agent_store.h"
#include "tests/fakes/controlplane/fake_api_key_store.h"
#include "tests/fakes/controlplane/fake_environment_store.h"
#include "tests/fakes/controlplane/fake_image_store.h"

namespace paddock {
namespace {

class FakeHarness : public StoreHarness {
 public:
  EnvironmentStore* environments() override { return &environments_; }
  AgentStore* agents() override { return &agents_; }
  ApiKeyStore* api_keys() override { return &api_keys_; }
  ImageStore* images() override { return &images_; }

  SessionId Reference(const Environment& environment) override {
    const SessionId session(ids_.Next(kSessionPrefix));
    environments_.AddReference(environment.id, session);
    return session;
  }

  void Unreference(const Environment& environment, const SessionId& session) override {
    environments_.RemoveReference(environment.id, session);
  }

  NodeId MakeNode() override { return NodeId(ids_.Next(kNodePrefix)); }
  std::vector<std::string> ImagesOf(const NodeId& node) override { return images_.ImagesOf(node); }

 private:
  RisingIds ids_;
  FakeEnvironmentStore environments_{Clock::Real()};
  FakeAgentStore agents_{Clock::Real()};
  FakeApiKeyStore api_keys_;
  FakeImageStore images_{&environments_, Clock::Real()};
};

std::unique_ptr<StoreHarness> MakeFake() { return std::make_unique<FakeHarness>(); }

INSTANTIATE_TEST_SUITE_P(Fake, EnvironmentStoreContract, testing::Values(MakeFake));
INSTANTIATE_TEST_SUITE_P(Fake, AgentStoreContract, testing::Values(MakeFake));
INSTANTIATE_TEST_SUITE_P(Fake, ApiKeyStoreContract, testing::Values(MakeFake));
INSTANTIATE_TEST_SUITE_P(Fake, ImageStoreContract, testing::Values(MakeFake));

}  // namespace
}  // namespace paddock
