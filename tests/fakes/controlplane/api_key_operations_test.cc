#include "controlplane/core/api_key_operations.h"

#include <set>
#include <string>

#include "common/errors.h"
#include "controlplane/core/idempotency.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/controlplane/fake_api_key_store.h"

namespace paddock {
namespace {

class ApiKeyOperationsTest : public testing::Test {
 protected:
  Principal Admin() { return {{"o", "w"}, ApiKeyId("apikey_admin"), true}; }
  Principal Worker() { return {{"o", "w"}, ApiKeyId("apikey_worker"), false}; }

  FakeClock clock_;
  FakeApiKeyStore store_;
  ApiKeyOperations operations_{&store_, &clock_};
};

TEST_F(ApiKeyOperationsTest, OnlyTheHashOfASecretIsStored) {
  auto created = operations_.Create(Admin(), {{"acme", "prod"}, "ci", false});
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_TRUE(IsWellFormedId(kApiKeyPrefix, created->api_key.id.value()));
  EXPECT_EQ(created->api_key.tenant, (Tenant{"acme", "prod"}));
  EXPECT_FALSE(created->api_key.admin);
  EXPECT_EQ(created->api_key.created_at, clock_.Now());
  EXPECT_EQ(store_.FindByHash(Sha256Hex(created->secret))->id, created->api_key.id);
  EXPECT_TRUE(absl::IsNotFound(store_.FindByHash(created->secret).status()));
}

TEST_F(ApiKeyOperationsTest, SecretsAreLongUrlSafeAndDiffer) {
  std::set<std::string> secrets;
  for (int i = 0; i < 1000; ++i) secrets.insert(NewApiKeySecret());
  EXPECT_EQ(secrets.size(), 1000u);
  for (const std::string& secret : secrets) {
    EXPECT_EQ(secret.size(), 46u);
    EXPECT_EQ(secret.substr(0, 3), "pk_");
    EXPECT_EQ(secret.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
              std::string::npos)
        << secret;
  }
}

TEST_F(ApiKeyOperationsTest, EveryCallNeedsAnAdminKey) {
  const NewApiKey key{{"o", "w"}, "n", true};
  for (const absl::Status& status :
       {operations_.Create(Worker(), key).status(), operations_.List(Worker(), {}).status(),
        operations_.Revoke(Worker(), ApiKeyId("apikey_x")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_EQ(ReasonOf(status), ErrorReason::kAdminKeyRequired);
  }
  EXPECT_TRUE(operations_.List(Admin(), {})->items.empty());
}

TEST_F(ApiKeyOperationsTest, OrganizationWorkspaceAndNameAreChecked) {
  const std::string bad[] = {"", "Upper", "with space", "ü", std::string(65, 'a'), "a/b"};
  for (const std::string& name : bad) {
    EXPECT_EQ(ReasonOf(operations_.Create(Admin(), {{name, "w"}, "n", false}).status()),
              ErrorReason::kInvalidField)
        << name;
    EXPECT_EQ(ReasonOf(operations_.Create(Admin(), {{"o", name}, "n", false}).status()),
              ErrorReason::kInvalidField)
        << name;
  }
  const auto all = operations_.Create(Admin(), {{"", ""}, "", false}).status();
  EXPECT_EQ(ViolationsOf(all).size(), 3u);
  EXPECT_TRUE(operations_.Create(Admin(), {{std::string(64, 'a'), "a-b_0"}, "ключ", false}).ok());
}

TEST_F(ApiKeyOperationsTest, RevokingAgainAnswersAsTheFirstTime) {
  const auto created = operations_.Create(Admin(), {{"o", "w"}, "n", false});
  const absl::Time first = clock_.Now();
  EXPECT_EQ(operations_.Revoke(Admin(), created->api_key.id)->revoked_at, first);
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(operations_.Revoke(Admin(), created->api_key.id)->revoked_at, first);
  EXPECT_EQ(ReasonOf(operations_.Revoke(Admin(), ApiKeyId("nonsense")).status()),
            ErrorReason::kApiKeyNotFound);
}

TEST_F(ApiKeyOperationsTest, ListsNewestFirstPageByPageWithoutSecrets) {
  for (const char* name : {"a", "b", "c"}) {
    clock_.Advance(absl::Milliseconds(1));
    ASSERT_TRUE(operations_.Create(Admin(), {{"o", "w"}, name, false}).ok());
  }
  auto page = operations_.List(Admin(), {2, ""});
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->items.size(), 2u);
  EXPECT_EQ(page->items[0].name, "c");
  page = operations_.List(Admin(), {2, page->next_page_token});
  ASSERT_EQ(page->items.size(), 1u);
  EXPECT_EQ(page->items[0].name, "a");
  EXPECT_EQ(page->next_page_token, "");
}

}  // namespace
}  // namespace paddock
