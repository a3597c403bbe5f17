#include "controlplane/core/agent_operations.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "controlplane/core/idempotency.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/controlplane/fake_agent_store.h"

namespace paddock {
namespace {

using testing::ElementsAre;

AgentPatch Named(const std::string& name) {
  AgentPatch patch;
  patch.name = Change<std::string>::Set(name);
  patch.model = Change<nlohmann::json>::Set("model-1");
  return patch;
}

class AgentOperationsTest : public testing::Test {
 protected:
  Agent Created(const std::string& name) {
    clock_.Advance(absl::Milliseconds(1));
    auto agent = operations_.Create(tenant_, Named(name), {});
    EXPECT_TRUE(agent.ok()) << agent.status();
    return *agent;
  }

  FakeClock clock_;
  FakeAgentStore store_{&clock_};
  AgentOperations operations_{&store_, &clock_};
  const Tenant tenant_{"o", "w"};
  const Tenant other_{"o", "other"};
};

TEST_F(AgentOperationsTest, CreateMakesVersionOne) {
  const Agent agent = Created("a");
  EXPECT_TRUE(IsWellFormedId(kAgentPrefix, agent.id.value()));
  EXPECT_EQ(agent.version, 1);
  EXPECT_EQ(agent.tenant, tenant_);
  EXPECT_EQ(agent.created_at, clock_.Now());
}

TEST_F(AgentOperationsTest, CreateRefusesWhatBreaksRulesAndRepeatsByRequestId) {
  EXPECT_EQ(ReasonOf(operations_.Create(tenant_, {}, {}).status()), ErrorReason::kInvalidField);
  EXPECT_EQ(ReasonOf(operations_.Create(tenant_, Named("a"), {std::string(129, 'r'), ""}).status()),
            ErrorReason::kInvalidField);
  const Idempotency id = MakeIdempotency("r", "body");
  const Agent first = *operations_.Create(tenant_, Named("a"), id);
  EXPECT_EQ(operations_.Create(tenant_, Named("a"), id)->id, first.id);
}

TEST_F(AgentOperationsTest, AnUpdateMakesAVersionAndOneThatChangesNothingMakesNone) {
  const Agent agent = Created("a");
  auto same = operations_.Update(tenant_, agent.id, 0, Named("a"));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->version, 1);
  auto changed = operations_.Update(tenant_, agent.id, 1, Named("b"));
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->version, 2);
  EXPECT_EQ(operations_.Get(tenant_, agent.id, 1)->name, "a");
  EXPECT_EQ(operations_.Get(tenant_, agent.id, 0)->name, "b");
  EXPECT_TRUE(absl::IsNotFound(operations_.Get(tenant_, agent.id, 3).status()));
}

TEST_F(AgentOperationsTest, AStaleVersionIsAborted) {
  const Agent agent = Created("a");
  ASSERT_TRUE(operations_.Update(tenant_, agent.id, 1, Named("b")).ok());
  const absl::Status stale = operations_.Update(tenant_, agent.id, 1, Named("c")).status();
  EXPECT_EQ(stale.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(ReasonOf(stale), ErrorReason::kAgentVersionStale);
  EXPECT_EQ(ErrorMetadataOf(stale)["newest_version"], "2");
  EXPECT_EQ(operations_.Get(tenant_, agent.id, 0)->name, "b");
}

TEST_F(AgentOperationsTest, NegativeVersionsAreInvalid) {
  const Agent agent = Created("a");
  EXPECT_EQ(ReasonOf(operations_.Get(tenant_, agent.id, -1).status()), ErrorReason::kInvalidField);
  EXPECT_EQ(ReasonOf(operations_.Update(tenant_, agent.id, -1, Named("b")).status()),
            ErrorReason::kInvalidField);
}

TEST_F(AgentOperationsTest, UnknownMalformedAndOtherTenantsIdsAreNotFoundAlike) {
  const Agent mine = Created("mine");
  const std::pair<Tenant, std::string> cases[] = {{tenant_, NewId(kAgentPrefix, clock_.Now())},
                                                  {tenant_, "nonsense"},
                                                  {other_, mine.id.value()}};
  for (const auto& [tenant, text] : cases) {
    const AgentId id(text);
    EXPECT_EQ(ReasonOf(operations_.Get(tenant, id, 0).status()), ErrorReason::kAgentNotFound);
    EXPECT_EQ(ReasonOf(operations_.Update(tenant, id, 0, Named("x")).status()),
              ErrorReason::kAgentNotFound);
    EXPECT_EQ(ReasonOf(operations_.Archive(tenant, id).status()), ErrorReason::kAgentNotFound);
    EXPECT_EQ(ReasonOf(operations_.ListVersions(tenant, id, {}).status()),
              ErrorReason::kAgentNotFound);
    EXPECT_EQ(ReasonOf(operations_.Snapshot(tenant, id, 0, {}).status()),
              ErrorReason::kAgentNotFound);
  }
}

TEST_F(AgentOperationsTest, AnArchivedAgentTakesNoUpdatesAndNoSessions) {
  const Agent agent = Created("a");
  const Agent first = *operations_.Archive(tenant_, agent.id);
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(operations_.Archive(tenant_, agent.id)->archived_at, first.archived_at);
  EXPECT_EQ(ReasonOf(operations_.Update(tenant_, agent.id, 0, Named("b")).status()),
            ErrorReason::kAgentArchived);
  EXPECT_EQ(ReasonOf(operations_.Snapshot(tenant_, agent.id, 0, {}).status()),
            ErrorReason::kAgentArchived);
  EXPECT_TRUE(operations_.Get(tenant_, agent.id, 0).ok());
}

TEST_F(AgentOperationsTest, ASnapshotIsOneVersionWithOverrides) {
  const Agent agent = Created("a");
  ASSERT_TRUE(operations_.Update(tenant_, agent.id, 0, Named("b")).ok());
  AgentOverrides overrides;
  overrides.system = std::optional<std::string>("for this session");
  auto snapshot = operations_.Snapshot(tenant_, agent.id, 1, overrides);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->name, "a");
  EXPECT_EQ(snapshot->version, 1);
  EXPECT_EQ(snapshot->system, "for this session");
  EXPECT_EQ(operations_.Get(tenant_, agent.id, 1)->system, std::nullopt);
  EXPECT_EQ(operations_.Snapshot(tenant_, agent.id, 0, {})->name, "b");
  overrides.mcp_servers = std::vector<McpServer>{{"unused", "https://x.com"}};
  EXPECT_EQ(ReasonOf(operations_.Snapshot(tenant_, agent.id, 0, overrides).status()),
            ErrorReason::kInvalidField);
}

TEST_F(AgentOperationsTest, ListsAndVersionsComePageByPage) {
  const Agent first = Created("first");
  Created("second");
  for (int i = 2; i <= 5; ++i) {
    ASSERT_TRUE(operations_.Update(tenant_, first.id, 0, Named(absl::StrCat("v", i))).ok());
  }
  std::vector<int64_t> versions;
  PageRequest request{2, ""};
  do {
    auto page = operations_.ListVersions(tenant_, first.id, request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const Agent& agent : page->items) versions.push_back(agent.version);
    request.page_token = page->next_page_token;
  } while (!request.page_token.empty());
  EXPECT_THAT(versions, ElementsAre(5, 4, 3, 2, 1));

  auto page = operations_.List(tenant_, {1, ""}, {Archived::kExclude, {}, {}});
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->items[0].name, "second");
  page = operations_.List(tenant_, {1, page->next_page_token}, {Archived::kExclude, {}, {}});
  EXPECT_EQ(page->items[0].name, "v5");
  EXPECT_EQ(page->next_page_token, "");
}

}  // namespace
}  // namespace paddock
