#include "controlplane/core/environment_operations.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/errors.h"
#include "controlplane/core/idempotency.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/controlplane/fake_environment_store.h"
#include "tests/fakes/controlplane/fake_image_work.h"
#include "tests/fakes/controlplane/fake_watch_hub.h"

namespace paddock {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

EnvironmentPatch Named(const std::string& name) {
  EnvironmentPatch patch;
  patch.name = Change<std::string>::Set(name);
  return patch;
}

class EnvironmentOperationsTest : public testing::Test {
 protected:
  Environment Created(const std::string& name) {
    clock_.Advance(absl::Milliseconds(1));
    auto environment = operations_.Create(tenant_, Named(name), {});
    EXPECT_TRUE(environment.ok()) << environment.status();
    return *environment;
  }

  FakeClock clock_;
  FakeEnvironmentStore store_{&clock_};
  FakeWatchHub hub_;
  FakeImageWork images_;
  EnvironmentOperations operations_{&store_, &hub_, &clock_, &images_};
  const Tenant tenant_{"o", "w"};
  const Tenant other_{"o", "other"};
};

TEST_F(EnvironmentOperationsTest, CreateFillsInIdTimesAndTenant) {
  auto environment = operations_.Create(tenant_, Named("new"), {});
  ASSERT_TRUE(environment.ok()) << environment.status();
  EXPECT_TRUE(IsWellFormedId(kEnvironmentPrefix, environment->id.value()));
  EXPECT_EQ(environment->tenant, tenant_);
  EXPECT_EQ(environment->created_at, clock_.Now());
  EXPECT_EQ(environment->updated_at, clock_.Now());
  EXPECT_EQ(environment->revision, 1);
  EXPECT_EQ(environment->image.state, ImageState::kReady);
  EXPECT_EQ(environment->archived_at, std::nullopt);
}

TEST_F(EnvironmentOperationsTest, AnInvalidCreateNeverReachesTheStore) {
  EXPECT_EQ(ReasonOf(operations_.Create(tenant_, Named(""), {}).status()),
            ErrorReason::kInvalidField);
  EXPECT_EQ(
      ReasonOf(operations_.Create(tenant_, Named("x"), {std::string(129, 'r'), "h"}).status()),
      ErrorReason::kInvalidField);
  EXPECT_EQ(store_.calls(), 0);
}

TEST_F(EnvironmentOperationsTest, ARepeatedCreateAnswersTheFirstResult) {
  const Idempotency id = MakeIdempotency("request", "body");
  const Environment first = *operations_.Create(tenant_, Named("once"), id);
  EXPECT_EQ(operations_.Create(tenant_, Named("once"), id)->id, first.id);
  EXPECT_EQ(
      ReasonOf(
          operations_.Create(tenant_, Named("x"), MakeIdempotency("request", "other")).status()),
      ErrorReason::kRequestIdReused);
}

TEST_F(EnvironmentOperationsTest, MalformedIdsAreNotFoundWithoutAskingTheStore) {
  for (const std::string& text : {std::string(), std::string("env_"), std::string(1 << 20, 'x')}) {
    const EnvironmentId id(text);
    EXPECT_TRUE(absl::IsNotFound(operations_.Get(tenant_, id).status()));
    EXPECT_TRUE(absl::IsNotFound(operations_.Update(tenant_, id, {}).status()));
    EXPECT_TRUE(absl::IsNotFound(operations_.Archive(tenant_, id).status()));
    EXPECT_TRUE(absl::IsNotFound(operations_.Delete(tenant_, id)));
    EXPECT_TRUE(absl::IsNotFound(operations_.Watch(tenant_, id, 0, [](auto) {}).status()));
  }
  EXPECT_EQ(store_.calls(), 0);
}

TEST_F(EnvironmentOperationsTest, AnotherTenantSeesAndChangesNothing) {
  const Environment mine = Created("mine");
  EXPECT_TRUE(absl::IsNotFound(operations_.Get(other_, mine.id).status()));
  EXPECT_TRUE(absl::IsNotFound(operations_.Update(other_, mine.id, Named("x")).status()));
  EXPECT_TRUE(absl::IsNotFound(operations_.Archive(other_, mine.id).status()));
  EXPECT_TRUE(absl::IsNotFound(operations_.Delete(other_, mine.id)));
  EXPECT_THAT(operations_.List(other_, {}, Archived::kInclude)->items, IsEmpty());
  EXPECT_EQ(operations_.Get(tenant_, mine.id)->revision, 1);
}

TEST_F(EnvironmentOperationsTest, AnUpdateRaisesTheRevisionAndOneThatChangesNothingDoesNot) {
  const Environment before = Created("before");
  clock_.Advance(absl::Seconds(1));
  auto same = operations_.Update(tenant_, before.id, Named("before"));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->revision, before.revision);
  EXPECT_EQ(same->updated_at, before.updated_at);
  auto after = operations_.Update(tenant_, before.id, Named("after"));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GT(after->revision, before.revision);
  EXPECT_EQ(after->updated_at, clock_.Now());
}

TEST_F(EnvironmentOperationsTest, AnArchivedEnvironmentCannotBeUpdated) {
  const Environment environment = Created("e");
  ASSERT_TRUE(operations_.Archive(tenant_, environment.id).ok());
  EXPECT_EQ(ReasonOf(operations_.Update(tenant_, environment.id, Named("x")).status()),
            ErrorReason::kEnvironmentArchived);
  EXPECT_EQ(ReasonOf(operations_.Update(tenant_, environment.id, {}).status()),
            ErrorReason::kEnvironmentArchived);
}

TEST_F(EnvironmentOperationsTest, ArchivingAgainAnswersAsTheFirstTime) {
  const Environment environment = Created("e");
  const Environment first = *operations_.Archive(tenant_, environment.id);
  EXPECT_EQ(first.archived_at, clock_.Now());
  clock_.Advance(absl::Hours(1));
  const Environment again = *operations_.Archive(tenant_, environment.id);
  EXPECT_EQ(again.archived_at, first.archived_at);
  EXPECT_EQ(again.updated_at, first.updated_at);
  EXPECT_EQ(again.revision, first.revision);
}

TEST_F(EnvironmentOperationsTest, DeleteRefusesWhileSessionsReferenceIt) {
  const Environment environment = Created("e");
  store_.AddReference(environment.id, SessionId("sesn_1"));
  EXPECT_EQ(ReasonOf(operations_.Delete(tenant_, environment.id)), ErrorReason::kEnvironmentInUse);
  store_.RemoveReference(environment.id, SessionId("sesn_1"));
  EXPECT_TRUE(operations_.Delete(tenant_, environment.id).ok());
  EXPECT_TRUE(absl::IsNotFound(operations_.Get(tenant_, environment.id).status()));
}

TEST_F(EnvironmentOperationsTest, AnArchivedEnvironmentCanBeDeleted) {
  const Environment environment = Created("e");
  ASSERT_TRUE(operations_.Archive(tenant_, environment.id).ok());
  EXPECT_TRUE(operations_.Delete(tenant_, environment.id).ok());
}

TEST_F(EnvironmentOperationsTest, TenThousandAreListedPageByPageWhileOthersComeAndGo) {
  std::vector<Environment> all;
  for (int i = 0; i < 10'000; ++i) all.push_back(Created(absl::StrCat("e", i)));
  std::set<std::string> seen;
  PageRequest request{1000, ""};
  int pages = 0;
  do {
    auto page = operations_.List(tenant_, request, Archived::kExclude);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_FALSE(page->items.empty()) << "never an empty page";
    for (const Environment& environment : page->items) {
      EXPECT_TRUE(seen.insert(environment.id.value()).second) << "listed twice";
    }
    request.page_token = page->next_page_token;
    ++pages;
    Created(absl::StrCat("late", pages));
    ASSERT_TRUE(operations_.Delete(tenant_, page->items.back().id).ok());
  } while (!request.page_token.empty());
  EXPECT_EQ(pages, 10);
  EXPECT_THAT(seen, SizeIs(10'000));
}

TEST_F(EnvironmentOperationsTest, TokensAreGoodForTheirOwnListOnly) {
  for (int i = 0; i < 3; ++i) Created(absl::StrCat("e", i));
  const std::string token = operations_.List(tenant_, {1, ""}, Archived::kExclude)->next_page_token;
  ASSERT_FALSE(token.empty());
  EXPECT_TRUE(operations_.List(tenant_, {2, token}, Archived::kExclude).ok());
  for (const auto& status : {operations_.List(other_, {1, token}, Archived::kExclude).status(),
                             operations_.List(tenant_, {1, token}, Archived::kInclude).status(),
                             operations_.List(tenant_, {1, "junk"}, Archived::kExclude).status()}) {
    EXPECT_EQ(ReasonOf(status), ErrorReason::kInvalidPageToken);
  }
  EXPECT_EQ(ReasonOf(operations_.List(tenant_, {1001, ""}, Archived::kExclude).status()),
            ErrorReason::kInvalidField);
}

TEST_F(EnvironmentOperationsTest, PagesOfLargeEnvironmentsStayBelowWhatClientsTake) {
  EnvironmentPatch patch;
  patch.config.kind = ConfigPatch::Kind::kCloud;
  patch.config.cloud.packages.pip =
      Change<std::vector<std::string>>::Set(std::vector<std::string>(500, std::string(250, 'p')));
  for (int i = 0; i < 60; ++i) {
    clock_.Advance(absl::Milliseconds(1));
    patch.name = Change<std::string>::Set(absl::StrCat("large", i));
    ASSERT_TRUE(operations_.Create(tenant_, patch, {}).ok());
  }
  size_t listed = 0;
  PageRequest request{1000, ""};
  do {
    auto page = operations_.List(tenant_, request, Archived::kExclude);
    ASSERT_TRUE(page.ok());
    ASSERT_FALSE(page->items.empty());
    EXPECT_LE(page->items.size() * 500 * 250, size_t{4} << 20);
    listed += page->items.size();
    request.page_token = page->next_page_token;
  } while (!request.page_token.empty());
  EXPECT_EQ(listed, 60u);
}

TEST_F(EnvironmentOperationsTest, AWatchSeesTheStateNowEveryChangeAndTheEnd) {
  const Environment environment = Created("one");
  std::vector<std::string> seen;
  absl::Status end;
  auto subscription =
      operations_.Watch(tenant_, environment.id, 0, [&](absl::StatusOr<Environment> event) {
        if (event.ok()) {
          seen.push_back(absl::StrCat(event->revision, event->name));
        } else {
          end = event.status();
        }
      });
  ASSERT_TRUE(subscription.ok()) << subscription.status();
  ASSERT_TRUE(operations_.Update(tenant_, environment.id, Named("two")).ok());
  ASSERT_TRUE(operations_.Update(tenant_, environment.id, Named("two")).ok());
  ASSERT_TRUE(operations_.Archive(tenant_, environment.id).ok());
  EXPECT_TRUE(end.ok());
  ASSERT_TRUE(operations_.Delete(tenant_, environment.id).ok());
  EXPECT_THAT(seen, ElementsAre("1one", "2two", "3two"));
  EXPECT_EQ(ReasonOf(end), ErrorReason::kEnvironmentNotFound);
}

TEST_F(EnvironmentOperationsTest, AWatchContinuesAfterARevisionButNotFromTheFuture) {
  const Environment environment = Created("one");
  int events = 0;
  auto subscription = operations_.Watch(tenant_, environment.id, 1,
                                        [&](const absl::StatusOr<Environment>&) { ++events; });
  ASSERT_TRUE(subscription.ok()) << subscription.status();
  EXPECT_EQ(events, 0);
  ASSERT_TRUE(operations_.Update(tenant_, environment.id, Named("two")).ok());
  EXPECT_EQ(events, 1);
  EXPECT_EQ(ReasonOf(operations_.Watch(tenant_, environment.id, 99, [](auto) {}).status()),
            ErrorReason::kRevisionTooOld);
  EXPECT_EQ(ReasonOf(operations_.Watch(tenant_, environment.id, -1, [](auto) {}).status()),
            ErrorReason::kInvalidField);
  EXPECT_TRUE(absl::IsNotFound(operations_.Watch(other_, environment.id, 0, [](auto) {}).status()));
}

EnvironmentPatch WithPip(std::vector<std::string> specs) {
  EnvironmentPatch patch;
  patch.config.kind = ConfigPatch::Kind::kCloud;
  patch.config.cloud.packages.pip = Change<std::vector<std::string>>::Set(std::move(specs));
  return patch;
}

TEST_F(EnvironmentOperationsTest, PackagesStartTheImageAtOnceAndAnewWhenTheyChange) {
  EnvironmentPatch patch = WithPip({"pandas"});
  patch.name = Change<std::string>::Set("e");
  const Environment created = *operations_.Create(tenant_, patch, {});
  EXPECT_EQ(created.image.state, ImageState::kPending);
  EXPECT_THAT(images_.kicked(), ElementsAre(created.id.value()));
  const Environment changed = *operations_.Update(tenant_, created.id, WithPip({"numpy"}));
  EXPECT_GT(changed.image.generation, created.image.generation);
  EXPECT_THAT(images_.kicked(), SizeIs(2));
  EXPECT_GT(images_.rechecks(), 0) << "the build for pandas is of no use now";
}

TEST_F(EnvironmentOperationsTest, OtherNetworkingLeavesTheImageAlone) {
  EnvironmentPatch patch = WithPip({"pandas"});
  patch.name = Change<std::string>::Set("e");
  const Environment created = *operations_.Create(tenant_, patch, {});
  EnvironmentPatch limited;
  limited.config.kind = ConfigPatch::Kind::kCloud;
  limited.config.cloud.networking = ReplaceNetworking(LimitedNetwork{{"example.com"}, false, true});
  const auto updated = operations_.Update(tenant_, created.id, limited);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->image.generation, created.image.generation);
}

TEST_F(EnvironmentOperationsTest, ARebuildStartsAnewAndARefreshLooksUpVersionsAgain) {
  EnvironmentPatch patch = WithPip({"pandas"});
  patch.name = Change<std::string>::Set("e");
  const Environment created = *operations_.Create(tenant_, patch, {});
  using Versions = EnvironmentOperations::Versions;
  const Environment rebuilt = *operations_.Rebuild(tenant_, created.id, Versions::kKeep);
  EXPECT_GT(rebuilt.image.generation, created.image.generation);
  EXPECT_EQ(rebuilt.image.refresh_epoch, created.image.refresh_epoch);
  const Environment refreshed = *operations_.Rebuild(tenant_, created.id, Versions::kRefresh);
  EXPECT_GT(refreshed.image.generation, rebuilt.image.generation);
  EXPECT_NE(refreshed.image.refresh_epoch, rebuilt.image.refresh_epoch);
  ASSERT_TRUE(operations_.Archive(tenant_, created.id).ok());
  EXPECT_EQ(ReasonOf(operations_.Rebuild(tenant_, created.id, Versions::kKeep).status()),
            ErrorReason::kEnvironmentArchived);
  const Environment without = Created("without packages");
  EXPECT_EQ(operations_.Rebuild(tenant_, without.id, Versions::kRefresh)->revision,
            without.revision);
}

TEST_F(EnvironmentOperationsTest, ADeletedEnvironmentMayEndABuild) {
  const Environment environment = Created("e");
  const int before = images_.rechecks();
  ASSERT_TRUE(operations_.Delete(tenant_, environment.id).ok());
  EXPECT_EQ(images_.rechecks(), before + 1);
}

TEST_F(EnvironmentOperationsTest, ErrorsOfTheStoreReachTheCaller) {
  const Environment environment = Created("e");
  const size_t notified = hub_.notified().size();
  store_.FailNext(errors::DatabaseUnavailable());
  EXPECT_EQ(ReasonOf(operations_.Get(tenant_, environment.id).status()),
            ErrorReason::kDatabaseUnavailable);
  store_.FailNext(errors::CommitInDoubt());
  EXPECT_EQ(ReasonOf(operations_.Update(tenant_, environment.id, Named("x")).status()),
            ErrorReason::kCommitInDoubt);
  store_.FailNext(errors::CommitInDoubt());
  EXPECT_EQ(ReasonOf(operations_.Delete(tenant_, environment.id)), ErrorReason::kCommitInDoubt);
  EXPECT_EQ(hub_.notified().size(), notified);
}

}  // namespace
}  // namespace paddock
