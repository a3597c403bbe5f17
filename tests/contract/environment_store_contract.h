#pragma once

#include <atomic>
#include <memory>
#include <set>
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

class EnvironmentStoreContract : public testing::TestWithParam<MakeStoreHarness> {
 protected:
  EnvironmentStore* store() { return harness_->environments(); }

  Environment Make(const std::string& name) {
    Environment environment;
    environment.id = EnvironmentId(ids_.Next(kEnvironmentPrefix));
    environment.tenant = tenant_;
    environment.name = name;
    environment.created_at = ids_.now();
    environment.updated_at = ids_.now();
    return environment;
  }

  Environment Created(const std::string& name) {
    auto environment = store()->Create(Make(name), {});
    EXPECT_TRUE(environment.ok()) << environment.status();
    return *environment;
  }

  std::vector<std::string> Names(const PageQuery& page, Archived archived = Archived::kExclude) {
    auto found = store()->List(tenant_, page, archived);
    EXPECT_TRUE(found.ok()) << found.status();
    std::vector<std::string> names;
    for (const Environment& environment : found->items) names.push_back(environment.name);
    return names;
  }

  absl::StatusOr<Environment> Rename(const EnvironmentId& id, const std::string& name) {
    return store()->Mutate(
        tenant_, id, [&name](const Environment& stored, bool*) -> absl::StatusOr<Environment> {
          Environment renamed = stored;
          renamed.name = name;
          return renamed;
        });
  }

  const std::unique_ptr<StoreHarness> harness_ = GetParam()();
  const Tenant tenant_ = NewTestTenant();
  const Tenant other_ = NewTestTenant();
  RisingIds ids_;
};

TEST_P(EnvironmentStoreContract, WhatWasStoredIsReadBackWhole) {
  Environment environment = Make("日本語 😀 \"quoted\" \\ 'single'");
  environment.description = "line\nbreak\ttab";
  environment.metadata = {{"key", ""}, {"ключ", "значение"}};
  CloudConfig cloud;
  cloud.packages.apt = {"jq=1.7*", "ffmpeg"};
  cloud.packages.pip = {"pandas==2.2.3"};
  cloud.networking = LimitedNetwork{{"example.com", "*.example.org"}, true, true};
  environment.config = cloud;
  environment.image.state = ImageState::kPending;
  auto created = store()->Create(environment, {});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ(created->revision, 1);

  auto read = store()->Get(tenant_, environment.id);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->id, environment.id);
  EXPECT_EQ(read->tenant, tenant_);
  EXPECT_EQ(read->name, environment.name);
  EXPECT_EQ(read->description, environment.description);
  EXPECT_EQ(read->metadata, environment.metadata);
  EXPECT_EQ(read->config, environment.config);
  EXPECT_EQ(read->image.state, ImageState::kPending);
  EXPECT_EQ(read->revision, 1);
  EXPECT_EQ(read->archived_at, std::nullopt);
}

TEST_P(EnvironmentStoreContract, AMissingDescriptionIsToldFromAnEmptyOne) {
  Environment without = Make("without");
  Environment empty = Make("empty");
  empty.description = "";
  ASSERT_TRUE(store()->Create(without, {}).ok());
  ASSERT_TRUE(store()->Create(empty, {}).ok());
  EXPECT_EQ(store()->Get(tenant_, without.id)->description, std::nullopt);
  EXPECT_EQ(store()->Get(tenant_, empty.id)->description, "");
}

TEST_P(EnvironmentStoreContract, SelfHostedStaysSelfHosted) {
  Environment environment = Make("self");
  environment.config = SelfHostedConfig{};
  ASSERT_TRUE(store()->Create(environment, {}).ok());
  EXPECT_EQ(store()->Get(tenant_, environment.id)->config, EnvironmentConfig(SelfHostedConfig{}));
}

TEST_P(EnvironmentStoreContract, UnknownMalformedAndOtherTenantsIdsAreNotFoundAlike) {
  const Environment mine = Created("mine");
  const std::string ids[] = {
      ids_.Next(kEnvironmentPrefix), "", "env_", "nonsense", "env_'; SELECT 1; --",
      std::string(5000, 'x')};
  const auto keep = [](const Environment& stored, bool*) { return stored; };
  for (const std::string& id : ids) {
    EXPECT_EQ(ReasonOf(store()->Get(tenant_, EnvironmentId(id)).status()),
              ErrorReason::kEnvironmentNotFound)
        << id.substr(0, 40);
    EXPECT_TRUE(absl::IsNotFound(store()->Mutate(tenant_, EnvironmentId(id), keep).status()));
    EXPECT_TRUE(absl::IsNotFound(store()->Delete(tenant_, EnvironmentId(id))));
  }
  EXPECT_EQ(ReasonOf(store()->Get(other_, mine.id).status()), ErrorReason::kEnvironmentNotFound);
  EXPECT_TRUE(absl::IsNotFound(store()->Mutate(other_, mine.id, keep).status()));
  EXPECT_TRUE(absl::IsNotFound(store()->Delete(other_, mine.id)));
  EXPECT_TRUE(store()->Get(tenant_, mine.id).ok());
}

TEST_P(EnvironmentStoreContract, NamesAreUniqueInTheTenantArchivedOnesIncluded) {
  const Environment first = Created("name");
  auto again = store()->Create(Make("name"), {});
  EXPECT_EQ(ReasonOf(again.status()), ErrorReason::kEnvironmentNameTaken);
  EXPECT_THAT(std::string(again.status().message()), testing::HasSubstr("\"name\""));

  ASSERT_TRUE(store()
                  ->Mutate(tenant_, first.id,
                           [this](const Environment& stored, bool*) {
                             Environment archived = stored;
                             archived.archived_at = ids_.now();
                             return archived;
                           })
                  .ok());
  EXPECT_EQ(ReasonOf(store()->Create(Make("name"), {}).status()),
            ErrorReason::kEnvironmentNameTaken);

  Environment elsewhere = Make("name");
  elsewhere.tenant = other_;
  EXPECT_TRUE(store()->Create(elsewhere, {}).ok());
  EXPECT_TRUE(store()->Create(Make("NAME"), {}).ok());

  ASSERT_TRUE(store()->Delete(tenant_, first.id).ok());
  EXPECT_TRUE(store()->Create(Make("name"), {}).ok());
}

TEST_P(EnvironmentStoreContract, OfTwoCreatesOfOneNameAtOnceOneWins) {
  constexpr int kThreads = 8;
  std::vector<Environment> candidates;
  for (int i = 0; i < kThreads; ++i) candidates.push_back(Make("contended"));
  std::atomic<int> won{0};
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (const Environment& candidate : candidates) {
    threads.emplace_back([this, &candidate, &won, &taken] {
      const absl::Status status = store()->Create(candidate, {}).status();
      if (status.ok()) ++won;
      if (ReasonOf(status) == ErrorReason::kEnvironmentNameTaken) ++taken;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(taken, kThreads - 1);
}

TEST_P(EnvironmentStoreContract, ARepeatedCreateAnswersTheFirstResult) {
  const Idempotency id{"request-1", "hash-1"};
  const Environment first = *store()->Create(Make("once"), id);
  auto again = store()->Create(Make("once"), id);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->id, first.id);
  EXPECT_THAT(Names({10, ""}), testing::ElementsAre("once"));

  auto other_body = store()->Create(Make("another"), {"request-1", "hash-2"});
  EXPECT_EQ(ReasonOf(other_body.status()), ErrorReason::kRequestIdReused);

  Environment elsewhere = Make("once");
  elsewhere.tenant = other_;
  auto other_tenant = store()->Create(elsewhere, id);
  ASSERT_TRUE(other_tenant.ok()) << "request ids are scoped by tenant: " << other_tenant.status();
  EXPECT_EQ(other_tenant->id, elsewhere.id);
}

TEST_P(EnvironmentStoreContract, ARepeatedCreateAtOnceMakesOne) {
  constexpr int kThreads = 8;
  std::vector<Environment> candidates;
  for (int i = 0; i < kThreads; ++i) candidates.push_back(Make("repeated"));
  std::vector<std::string> answers(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i, &candidates, &answers] {
      auto created = store()->Create(candidates[i], {"same", "hash"});
      answers[i] = created.ok() ? created->id.value() : created.status().ToString();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(answers.begin(), answers.end()).size(), 1u)
      << testing::PrintToString(answers);
}

TEST_P(EnvironmentStoreContract, AFailedCreateDoesNotUseUpItsRequestId) {
  Created("taken");
  const Idempotency id{"request-2", "hash"};
  EXPECT_FALSE(store()->Create(Make("taken"), id).ok());
  EXPECT_TRUE(store()->Create(Make("free"), {"request-2", "other hash"}).ok());
}

TEST_P(EnvironmentStoreContract, ListsNewestFirstPageByPage) {
  for (int i = 0; i < 7; ++i) Created(absl::StrCat("e", i));
  auto page = store()->List(tenant_, {3, ""}, Archived::kExclude);
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->items.size(), 3u);
  EXPECT_TRUE(page->has_more);
  EXPECT_EQ(page->items[0].name, "e6");
  const std::string last = page->items[2].id.value();
  EXPECT_THAT(Names({3, last}), testing::ElementsAre("e3", "e2", "e1"));

  page = store()->List(tenant_, {7, ""}, Archived::kExclude);
  EXPECT_EQ(page->items.size(), 7u);
  EXPECT_FALSE(page->has_more) << "a full last page has no successor";
  EXPECT_TRUE(store()->List(other_, {7, ""}, Archived::kExclude)->items.empty());
}

TEST_P(EnvironmentStoreContract, PagesStayStableWhileItemsComeAndGo) {
  std::vector<Environment> environments;
  for (int i = 0; i < 6; ++i) environments.push_back(Created(absl::StrCat("e", i)));
  const auto page = store()->List(tenant_, {2, ""}, Archived::kExclude);
  const std::string last = page->items.back().id.value();
  Created("newer");
  ASSERT_TRUE(store()->Delete(tenant_, environments[4].id).ok());  // The last of the first page.
  ASSERT_TRUE(store()->Delete(tenant_, environments[2].id).ok());
  EXPECT_THAT(Names({10, last}), testing::ElementsAre("e3", "e1", "e0"));
}

TEST_P(EnvironmentStoreContract, ArchivedOnesAreListedOnlyWhenAskedFor) {
  const Environment archived = Created("archived");
  Created("active");
  ASSERT_TRUE(store()
                  ->Mutate(tenant_, archived.id,
                           [this](const Environment& stored, bool*) {
                             Environment value = stored;
                             value.archived_at = ids_.now();
                             return value;
                           })
                  .ok());
  EXPECT_THAT(Names({10, ""}), testing::ElementsAre("active"));
  EXPECT_THAT(Names({10, ""}, Archived::kInclude), testing::ElementsAre("active", "archived"));
  EXPECT_EQ(store()->Get(tenant_, archived.id)->archived_at, ids_.now());
}

TEST_P(EnvironmentStoreContract, AChangeRaisesRevisionAndUpdatedAt) {
  const Environment before = Created("before");
  auto after = Rename(before.id, "after");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->name, "after");
  EXPECT_GT(after->revision, before.revision);
  EXPECT_GE(after->updated_at, before.updated_at);
  EXPECT_EQ(after->created_at, before.created_at);
  EXPECT_EQ(store()->Get(tenant_, before.id)->revision, after->revision);
}

TEST_P(EnvironmentStoreContract, AMutationThatChangesNothingWritesNothing) {
  const Environment before = Created("same");
  auto after = store()->Mutate(tenant_, before.id, [](const Environment& stored, bool* changed) {
    *changed = false;
    return stored;
  });
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->revision, before.revision);
  const Environment read = *store()->Get(tenant_, before.id);
  EXPECT_EQ(read.revision, before.revision);
  EXPECT_EQ(read.updated_at, store()->Get(tenant_, before.id)->updated_at);
}

TEST_P(EnvironmentStoreContract, AFailingMutationChangesNothingAndItsErrorIsAnswered) {
  const Environment before = Created("same");
  auto after = store()->Mutate(tenant_, before.id,
                               [](const Environment& stored, bool*) -> absl::StatusOr<Environment> {
                                 return errors::EnvironmentArchived(stored.id.value());
                               });
  EXPECT_EQ(ReasonOf(after.status()), ErrorReason::kEnvironmentArchived);
  EXPECT_EQ(store()->Get(tenant_, before.id)->revision, before.revision);
}

TEST_P(EnvironmentStoreContract, RenamingToATakenNameIsRefused) {
  Created("taken");
  const Environment mine = Created("mine");
  EXPECT_EQ(ReasonOf(Rename(mine.id, "taken").status()), ErrorReason::kEnvironmentNameTaken);
  EXPECT_EQ(store()->Get(tenant_, mine.id)->name, "mine");
  EXPECT_TRUE(Rename(mine.id, "mine").ok()) << "its own name isn't taken";
}

TEST_P(EnvironmentStoreContract, MutationsAtOnceAreAllApplied) {
  const Environment environment = Created("counter");
  constexpr int kThreads = 8;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, i, &environment] {
      auto done = store()->Mutate(tenant_, environment.id, [i](const Environment& stored, bool*) {
        Environment value = stored;
        value.metadata[absl::StrCat("thread", i)] = "was here";
        return value;
      });
      EXPECT_TRUE(done.ok()) << done.status();
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Environment after = *store()->Get(tenant_, environment.id);
  EXPECT_EQ(after.metadata.size(), static_cast<size_t>(kThreads));
  EXPECT_GE(after.revision, environment.revision + kThreads);
}

TEST_P(EnvironmentStoreContract, DeleteRefusesWhileSessionsReferenceIt) {
  const Environment environment = Created("used");
  const SessionId first = harness_->Reference(environment);
  const SessionId second = harness_->Reference(environment);
  const absl::Status refused = store()->Delete(tenant_, environment.id);
  EXPECT_EQ(ReasonOf(refused), ErrorReason::kEnvironmentInUse);
  EXPECT_EQ(ErrorMetadataOf(refused)["session_count"], "2");
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr(first.value()));
  EXPECT_TRUE(store()->Get(tenant_, environment.id).ok());

  harness_->Unreference(environment, first);
  EXPECT_EQ(ReasonOf(store()->Delete(tenant_, environment.id)), ErrorReason::kEnvironmentInUse);
  harness_->Unreference(environment, second);
  EXPECT_TRUE(store()->Delete(tenant_, environment.id).ok());
  EXPECT_TRUE(absl::IsNotFound(store()->Get(tenant_, environment.id).status()));
  EXPECT_TRUE(absl::IsNotFound(store()->Delete(tenant_, environment.id)));
}

}  // namespace paddock
