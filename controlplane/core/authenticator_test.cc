#include "controlplane/core/authenticator.h"

#include <gtest/gtest.h>

#include <map>

#include "common/error_details.h"
#include "common/errors.h"
#include "controlplane/core/idempotency.h"

namespace paddock {
namespace {

constexpr char kSecret[] = "pk_secret";

// The little of a store that authentication needs.
class Keys final : public ApiKeyStore {
 public:
  absl::StatusOr<ApiKey> Create(const ApiKey& key, const std::string& secret_hash) override {
    return keys[secret_hash] = key;
  }
  absl::StatusOr<ApiKey> FindByHash(const std::string& secret_hash) override {
    ++look_ups;
    if (!outage.ok()) return outage;
    const auto found = keys.find(secret_hash);
    if (found == keys.end()) return errors::ApiKeyNotFound("");
    return found->second;
  }
  absl::StatusOr<StorePage<ApiKey>> List(const PageQuery&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<ApiKey> Revoke(const ApiKeyId&, absl::Time) override {
    return absl::UnimplementedError("");
  }

  std::map<std::string, ApiKey> keys;
  absl::Status outage;
  int look_ups = 0;
};

class AuthenticatorTest : public ::testing::Test {
 protected:
  AuthenticatorTest() {
    ApiKey key;
    key.id = ApiKeyId("apikey_1");
    key.tenant = {"o", "w"};
    key.admin = true;
    keys_.keys[Sha256Hex(kSecret)] = key;
  }
  absl::StatusOr<Principal> Try(const std::string& key,
                                std::vector<std::string> betas = {std::string(kBetaValue)}) {
    return authenticator_.Authenticate({key, std::move(betas)});
  }

  Keys keys_;
  FakeClock clock_;
  Authenticator authenticator_{&keys_, &clock_};
};

TEST_F(AuthenticatorTest, AKeySaysWhoCalls) {
  const auto caller = Try(kSecret);
  ASSERT_TRUE(caller.ok()) << caller.status();
  EXPECT_EQ(caller->tenant.organization, "o");
  EXPECT_EQ(caller->tenant.workspace, "w");
  EXPECT_TRUE(caller->admin);
  EXPECT_EQ(caller->api_key_id.value(), "apikey_1");
}

TEST_F(AuthenticatorTest, NoKeyAndAWrongKeyAreUnauthenticated) {
  EXPECT_EQ(ReasonOf(Try("").status()), ErrorReason::kApiKeyMissing);
  EXPECT_EQ(ReasonOf(Try("pk_wrong").status()), ErrorReason::kApiKeyInvalid);
  EXPECT_EQ(ReasonOf(Try(std::string(10'000, 'x')).status()), ErrorReason::kApiKeyInvalid);
  EXPECT_EQ(Try("").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Try("pk_wrong").status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(AuthenticatorTest, TheBetaHeaderComesAsAListOrRepeated) {
  const std::string beta(kBetaValue);
  EXPECT_TRUE(Try(kSecret, {"other-1, " + beta}).ok());
  EXPECT_TRUE(Try(kSecret, {"other-1", beta + ",x"}).ok());
  for (const std::vector<std::string>& betas :
       std::vector<std::vector<std::string>>{{}, {""}, {"other-1"}, {beta + "x"}}) {
    const absl::Status status = Try(kSecret, betas).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find("anthropic-beta"), absl::string_view::npos);
  }
}

TEST_F(AuthenticatorTest, TheKeyIsJudgedBeforeTheBetaHeader) {
  EXPECT_EQ(Try("pk_wrong", {}).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(AuthenticatorTest, AKeyIsLookedUpOnceInAWhile) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Try(kSecret).ok());
  EXPECT_EQ(keys_.look_ups, 1);
  clock_.Advance(Authenticator::kCacheFor);
  ASSERT_TRUE(Try(kSecret).ok());
  EXPECT_EQ(keys_.look_ups, 2);
}

TEST_F(AuthenticatorTest, ARevokedKeyIsRefusedWithinFiveSeconds) {
  ASSERT_TRUE(Try(kSecret).ok());
  keys_.keys[Sha256Hex(kSecret)].revoked_at = clock_.Now();
  clock_.Advance(absl::Seconds(5));
  EXPECT_EQ(ReasonOf(Try(kSecret).status()), ErrorReason::kApiKeyInvalid);
}

TEST_F(AuthenticatorTest, AnOutageIsNoWrongKey) {
  keys_.outage = errors::DatabaseUnavailable();
  EXPECT_TRUE(absl::IsUnavailable(Try(kSecret).status()));
  keys_.outage = absl::OkStatus();
  EXPECT_TRUE(Try(kSecret).ok());
}

TEST(BearerTokenTest, TakesTheTokenOfThatSchemeOnly) {
  EXPECT_EQ(BearerToken("Bearer abc"), "abc");
  EXPECT_EQ(BearerToken("bearer  abc "), "abc");
  EXPECT_EQ(BearerToken("Basic abc"), "");
  EXPECT_EQ(BearerToken("abc"), "");
  EXPECT_EQ(BearerToken(""), "");
}

}  // namespace
}  // namespace paddock
