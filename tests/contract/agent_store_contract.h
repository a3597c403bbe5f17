#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error_details.h"
#include "common/errors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contract/store_contract.h"

namespace paddock {

class AgentStoreContract : public testing::TestWithParam<MakeStoreHarness> {
 protected:
  AgentStore* store() { return harness_->agents(); }

  Agent Make(const std::string& name) {
    Agent agent;
    agent.id = AgentId(ids_.Next(kAgentPrefix));
    agent.tenant = tenant_;
    agent.version = 1;
    agent.name = name;
    agent.model = "model-1";
    agent.created_at = ids_.now();
    agent.updated_at = ids_.now();
    return agent;
  }

  Agent Created(const std::string& name) {
    auto agent = store()->Create(Make(name), {});
    EXPECT_TRUE(agent.ok()) << agent.status();
    return *agent;
  }

  absl::StatusOr<Agent> SetSystem(const AgentId& id, const std::string& system) {
    return store()->Mutate(tenant_, id, [&system](const Agent& stored, bool*) {
      Agent changed = stored;
      changed.system = system;
      return changed;
    });
  }

  const std::unique_ptr<StoreHarness> harness_ = GetParam()();
  const Tenant tenant_ = NewTestTenant();
  const Tenant other_ = NewTestTenant();
  RisingIds ids_;
};

TEST_P(AgentStoreContract, WhatWasStoredIsReadBackWhole) {
  Agent agent = Make("агент 🤖");
  agent.description = "";
  agent.model = {{"id", "model-2"}, {"effort", {{"type", "high"}}}, {"n", 1.5}, {"null", nullptr}};
  agent.system = std::string(100'000, 's');
  agent.mcp_servers = {{"github", "https://mcp.example.com/sse"}, {"b", "http://b.example:8080"}};
  agent.tools = {{{"type", "mcp_toolset"}, {"mcp_server_name", "github"}},
                 {{"type", "custom"}, {"input_schema", {{"a", {1, 2, {3}}}}}}};
  agent.skills = {{{"type", "anthropic"}, {"skill_id", "xlsx"}}};
  agent.metadata = {{"team", "платформа"}};
  agent.rest = {{"multiagent", nullptr}, {"execution_identity", {{"type", "service_account"}}}};
  auto created = store()->Create(agent, {});
  ASSERT_TRUE(created.ok()) << created.status();
  auto read = store()->Get(tenant_, agent.id, 0);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, agent.id);
  EXPECT_EQ(read->version, 1);
  EXPECT_EQ(read->name, agent.name);
  EXPECT_EQ(read->description, agent.description);
  EXPECT_EQ(read->model, agent.model);
  EXPECT_EQ(read->system, agent.system);
  EXPECT_EQ(read->mcp_servers, agent.mcp_servers);
  EXPECT_EQ(read->tools, agent.tools);
  EXPECT_EQ(read->skills, agent.skills);
  EXPECT_EQ(read->metadata, agent.metadata);
  EXPECT_EQ(read->rest, agent.rest);
  EXPECT_EQ(read->archived_at, std::nullopt);
}

TEST_P(AgentStoreContract, NamesNeedNotBeUnique) {
  EXPECT_NE(Created("twin").id, Created("twin").id);
}

TEST_P(AgentStoreContract, UnknownMalformedAndOtherTenantsIdsAreNotFoundAlike) {
  const Agent mine = Created("mine");
  const auto keep = [](const Agent& stored, bool*) { return stored; };
  for (const std::string& id : {ids_.Next(kAgentPrefix), std::string(), std::string("nonsense")}) {
    EXPECT_EQ(ReasonOf(store()->Get(tenant_, AgentId(id), 0).status()),
              ErrorReason::kAgentNotFound);
    EXPECT_TRUE(absl::IsNotFound(store()->Mutate(tenant_, AgentId(id), keep).status()));
    EXPECT_TRUE(absl::IsNotFound(store()->ListVersions(tenant_, AgentId(id), {10, ""}).status()));
    EXPECT_TRUE(absl::IsNotFound(store()->Archive(tenant_, AgentId(id), ids_.now()).status()));
  }
  EXPECT_EQ(ReasonOf(store()->Get(other_, mine.id, 0).status()), ErrorReason::kAgentNotFound);
  EXPECT_TRUE(absl::IsNotFound(store()->Mutate(other_, mine.id, keep).status()));
  EXPECT_TRUE(absl::IsNotFound(store()->Archive(other_, mine.id, ids_.now()).status()));
  EXPECT_TRUE(absl::IsNotFound(store()->ListVersions(other_, mine.id, {10, ""}).status()));
}

TEST_P(AgentStoreContract, AChangeMakesAVersionAndEveryVersionStaysReadable) {
  const Agent first = Created("agent");
  ASSERT_EQ(SetSystem(first.id, "two")->version, 2);
  ASSERT_EQ(SetSystem(first.id, "three")->version, 3);
  EXPECT_EQ(store()->Get(tenant_, first.id, 0)->system, "three");
  EXPECT_EQ(store()->Get(tenant_, first.id, 1)->system, std::nullopt);
  EXPECT_EQ(store()->Get(tenant_, first.id, 2)->system, "two");
  EXPECT_EQ(store()->Get(tenant_, first.id, 3)->version, 3);
  EXPECT_EQ(store()->Get(tenant_, first.id, 2)->created_at, first.created_at);
  EXPECT_TRUE(absl::IsNotFound(store()->Get(tenant_, first.id, 4).status()));
}

TEST_P(AgentStoreContract, AMutationThatChangesNothingMakesNoVersion) {
  const Agent before = Created("agent");
  auto after = store()->Mutate(tenant_, before.id, [](const Agent& stored, bool* changed) {
    *changed = false;
    return stored;
  });
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->version, 1);
  EXPECT_EQ(store()->ListVersions(tenant_, before.id, {10, ""})->items.size(), 1u);
}

TEST_P(AgentStoreContract, AFailingMutationMakesNoVersionAndItsErrorIsAnswered) {
  const Agent before = Created("agent");
  auto after =
      store()->Mutate(tenant_, before.id, [](const Agent& stored, bool*) -> absl::StatusOr<Agent> {
        return errors::AgentVersionStale(stored.id.value(), 1, 2);
      });
  EXPECT_EQ(ReasonOf(after.status()), ErrorReason::kAgentVersionStale);
  EXPECT_EQ(store()->Get(tenant_, before.id, 0)->version, 1);
}

TEST_P(AgentStoreContract, MutationsAtOnceMakeOneVersionEach) {
  const Agent agent = Created("agent");
  constexpr int kThreads = 8;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i, &agent] {
      auto done = store()->Mutate(tenant_, agent.id, [i](const Agent& stored, bool*) {
        Agent value = stored;
        value.metadata[absl::StrCat("thread", i)] = "x";
        return value;
      });
      EXPECT_TRUE(done.ok()) << done.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Agent after = *store()->Get(tenant_, agent.id, 0);
  EXPECT_EQ(after.version, 1 + kThreads);
  EXPECT_EQ(after.metadata.size(), static_cast<size_t>(kThreads));
}

TEST_P(AgentStoreContract, VersionsAreListedNewestFirstPageByPage) {
  const Agent agent = Created("agent");
  for (int i = 2; i <= 12; ++i) ASSERT_TRUE(SetSystem(agent.id, absl::StrCat(i)).ok());
  auto page = store()->ListVersions(tenant_, agent.id, {5, ""});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->items.size(), 5u);
  EXPECT_TRUE(page->has_more);
  EXPECT_EQ(page->items.front().version, 12);
  EXPECT_EQ(page->items.back().version, 8);
  page = store()->ListVersions(tenant_, agent.id, {7, "8"});
  ASSERT_EQ(page->items.size(), 7u);
  EXPECT_EQ(page->items.back().version, 1);
  EXPECT_FALSE(page->has_more);
}

TEST_P(AgentStoreContract, ListsTheNewestVersionOfEachNewestAgentFirst) {
  const Agent older = Created("older");
  Created("newer");
  ASSERT_TRUE(SetSystem(older.id, "changed").ok());
  auto page = store()->List(tenant_, {10, ""}, {Archived::kExclude, {}, {}});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->items.size(), 2u);
  EXPECT_EQ(page->items[0].name, "newer");
  EXPECT_EQ(page->items[1].version, 2);
  EXPECT_TRUE(store()->List(other_, {10, ""}, {Archived::kExclude, {}, {}})->items.empty());
  page = store()->List(tenant_, {1, ""}, {Archived::kExclude, {}, {}});
  EXPECT_TRUE(page->has_more);
  page = store()->List(tenant_, {1, page->items[0].id.value()}, {Archived::kExclude, {}, {}});
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_EQ(page->items[0].name, "older");
  EXPECT_FALSE(page->has_more);
}

TEST_P(AgentStoreContract, ArchivingTwiceAnswersTheSameAndMakesNoVersion) {
  const Agent agent = Created("agent");
  const absl::Time first = ids_.now();
  auto archived = store()->Archive(tenant_, agent.id, first);
  ASSERT_TRUE(archived.ok()) << archived.status();
  EXPECT_EQ(archived->archived_at, first);
  EXPECT_EQ(archived->version, 1);
  auto again = store()->Archive(tenant_, agent.id, first + absl::Hours(1));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->archived_at, first);
  EXPECT_EQ(again->updated_at, archived->updated_at);
  EXPECT_EQ(store()->Get(tenant_, agent.id, 1)->archived_at, first);
  EXPECT_TRUE(store()->List(tenant_, {10, ""}, {Archived::kExclude, {}, {}})->items.empty());
  EXPECT_EQ(store()->List(tenant_, {10, ""}, {Archived::kInclude, {}, {}})->items.size(), 1u);
}

TEST_P(AgentStoreContract, ARepeatedCreateAnswersTheFirstResult) {
  const Idempotency id{"request-1", "hash-1"};
  const Agent first = *store()->Create(Make("once"), id);
  auto again = store()->Create(Make("once"), id);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->id, first.id);
  EXPECT_EQ(ReasonOf(store()->Create(Make("x"), {"request-1", "hash-2"}).status()),
            ErrorReason::kRequestIdReused);
  EXPECT_EQ(store()->List(tenant_, {10, ""}, {Archived::kInclude, {}, {}})->items.size(), 1u);
  auto environment_of_same_id = [this, &id] {
    Environment environment;
    environment.id = EnvironmentId(ids_.Next(kEnvironmentPrefix));
    environment.tenant = tenant_;
    environment.name = "other kind";
    environment.created_at = ids_.now();
    environment.updated_at = ids_.now();
    return harness_->environments()->Create(environment, {id.request_id, "hash-3"}).status();
  };
  EXPECT_TRUE(environment_of_same_id().ok()) << "request ids are scoped by kind of resource";
}

}  // namespace paddock
