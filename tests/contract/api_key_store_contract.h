#pragma once

#include <memory>
#include <set>
#include <string>

#include "common/error_details.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contract/store_contract.h"

namespace paddock {

class ApiKeyStoreContract : public testing::TestWithParam<MakeStoreHarness> {
 protected:
  ApiKeyStore* store() { return harness_->api_keys(); }

  // 64 characters that no other test has.
  std::string NewHash() {
    std::string hash = NewId("hash", ids_.now());
    return hash + std::string(64 - hash.size(), '0');
  }

  ApiKey Make() {
    ApiKey key;
    key.id = ApiKeyId(ids_.Next(kApiKeyPrefix));
    key.tenant = tenant_;
    key.name = "ключ";
    key.created_at = ids_.now();
    return key;
  }

  const std::unique_ptr<StoreHarness> harness_ = GetParam()();
  const Tenant tenant_ = NewTestTenant();
  RisingIds ids_;
};

TEST_P(ApiKeyStoreContract, AKeyIsFoundByItsHashOnly) {
  ApiKey key = Make();
  key.admin = true;
  const std::string hash = NewHash();
  ASSERT_TRUE(store()->Create(key, hash).ok());
  auto found = store()->FindByHash(hash);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->id, key.id);
  EXPECT_EQ(found->tenant, tenant_);
  EXPECT_EQ(found->name, key.name);
  EXPECT_TRUE(found->admin);
  EXPECT_EQ(found->revoked_at, std::nullopt);
  EXPECT_TRUE(absl::IsNotFound(store()->FindByHash(NewHash()).status()));
  EXPECT_TRUE(absl::IsNotFound(store()->FindByHash("").status()));
}

TEST_P(ApiKeyStoreContract, RevokingTwiceAnswersTheSame) {
  const ApiKey key = Make();
  const std::string hash = NewHash();
  ASSERT_TRUE(store()->Create(key, hash).ok());
  const absl::Time first = ids_.now();
  EXPECT_EQ(store()->Revoke(key.id, first)->revoked_at, first);
  EXPECT_EQ(store()->Revoke(key.id, first + absl::Hours(1))->revoked_at, first);
  EXPECT_EQ(store()->FindByHash(hash)->revoked_at, first);
  EXPECT_TRUE(
      absl::IsNotFound(store()->Revoke(ApiKeyId(ids_.Next(kApiKeyPrefix)), first).status()));
}

TEST_P(ApiKeyStoreContract, ListsEveryTenantsKeysNewestFirst) {
  const ApiKey older = Make();
  ApiKey newer = Make();
  newer.tenant = NewTestTenant();
  ASSERT_TRUE(store()->Create(older, NewHash()).ok());
  ASSERT_TRUE(store()->Create(newer, NewHash()).ok());
  // Another test may have made newer ones in the same database.
  std::vector<std::string> mine;
  PageQuery query{1, ""};
  for (bool more = true; more;) {
    auto page = store()->List(query);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const ApiKey& key : page->items) {
      if (key.id == older.id || key.id == newer.id) mine.push_back(key.id.value());
      query.after = key.id.value();
    }
    more = page->has_more;
  }
  EXPECT_THAT(mine, testing::ElementsAre(newer.id.value(), older.id.value()));
}

}  // namespace paddock
