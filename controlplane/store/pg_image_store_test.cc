// What images do to sessions; the rest is in the contract suite.
#include "controlplane/store/pg_image_store.h"

#include "tests/integration/store_fixture.h"

namespace paddock {
namespace {

class ImageStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    node_ = MakeNode("node-1");
    Environment environment = NewEnvironment("env", tenant_);
    CloudConfig cloud;
    cloud.packages.pip = {"pandas"};
    environment.config = cloud;
    environment.image.state = ImageState::kPending;
    environment.image.generation = 1;
    auto created = stores().environments->Create(environment, {});
    ASSERT_TRUE(created.ok()) << created.status();
    environment_ = *created;
  }

  CreatedSession MakeAwaiting() {
    NewSession session = NewSessionOf(environment_, {});
    session.awaits_image = true;
    session.shape = "";
    session.pending_reason = "IMAGE_BUILDING";
    auto created = stores().sessions->Create(session, {});
    EXPECT_TRUE(created.ok()) << created.status();
    return *created;
  }

  BuildClaim Claim() {
    BuildClaim claim;
    claim.environment_id = environment_.id;
    claim.generation = 1;
    claim.cache_key = "key";
    claim.build_id = "build";
    claim.manager = "pip";
    claim.node = node_.id;
    claim.holder = "replica";
    claim.ttl = absl::Minutes(1);
    auto result = stores().images->Claim(claim);
    EXPECT_TRUE(result.ok()) << result.status();
    environment_ = *stores().environments->Get(tenant_, environment_.id);
    return claim;
  }

  NodeRegistration node_;
  Environment environment_;
};

TEST_F(ImageStoreTest, AWaitingSessionIsOutsideOfTheQueueUntilTheImageIsReady) {
  Claim();
  const CreatedSession created = MakeAwaiting();
  EXPECT_EQ(created.session.state, SessionPhase::kPending);
  EXPECT_TRUE(stores().fleet->Queue(10)->empty());
  Layer layer;
  layer.cache_key = "key";
  layer.digest = "sha256:top";
  ASSERT_TRUE(stores().images->Commit(layer, "build", node_.id).ok());
  ASSERT_TRUE(*stores().images->Settle(environment_.id, 1, {layer}));
  const auto queue = stores().fleet->Queue(10);
  ASSERT_EQ(queue->size(), 1u);
  EXPECT_EQ((*queue)[0].image_digest, "sha256:top");
  EXPECT_NE((*queue)[0].shape, "");
  const Session session = *stores().sessions->Get(tenant_, created.session.id);
  EXPECT_EQ(session.image_digest, "sha256:top");
  EXPECT_GT(session.revision, created.session.revision);
  SessionStore::Move move;
  move.id = session.id;
  move.candidates = {node_.id};
  const auto run = stores().sessions->Place(move);
  ASSERT_TRUE(run.ok() && run->has_value()) << run.status();
  EXPECT_EQ((*run)->spec.image_digest, "sha256:top");
  EXPECT_EQ((*run)->spec.limits.pids, 128) << "the rest of the order is as it was";
}

TEST_F(ImageStoreTest, TheSnapshotSaysWhatIsInTheImage) {
  const CreatedSession created = MakeAwaiting();
  auto changed =
      stores().environments->Mutate(tenant_, environment_.id, [](const Environment& stored, bool*) {
        Environment next = stored;
        std::get<CloudConfig>(next.config).packages.pip = {"numpy"};
        next.image.generation = 2;
        return next;
      });
  ASSERT_TRUE(changed.ok()) << changed.status();
  ASSERT_TRUE(*stores().images->Settle(environment_.id, 2, {}));
  const Session session = *stores().sessions->Get(tenant_, created.session.id);
  EXPECT_EQ(std::get<CloudConfig>(session.config).packages.pip[0], "numpy");
}

TEST_F(ImageStoreTest, AFailureEndsTheSessionsThatWait) {
  const BuildClaim claim = Claim();
  const CreatedSession created = MakeAwaiting();
  ImageFailure failure;
  failure.manager = "pip";
  failure.package = "pandas";
  failure.exit_code = 1;
  failure.log_tail = std::string(5000, 'x') + "\nno wheel\nERROR: none found\n";
  ASSERT_TRUE(stores().images->Fail("key", "build", failure).ok());
  const Session session = *stores().sessions->Get(tenant_, created.session.id);
  EXPECT_EQ(session.state, SessionPhase::kTerminated);
  EXPECT_EQ(session.reason, "IMAGE_BUILD_FAILED");
  EXPECT_EQ(session.message,
            "The image failed to build: pip pandas, exit code 1\n"
            "no wheel\nERROR: none found");
  EXPECT_TRUE(session.ended_at.has_value());
}

TEST_F(ImageStoreTest, SessionsOfALostImageWaitForTheNextOne) {
  Claim();
  const CreatedSession created = MakeAwaiting();
  Layer layer;
  layer.cache_key = "key";
  layer.digest = "sha256:top";
  ASSERT_TRUE(stores().images->Commit(layer, "build", node_.id).ok());
  ASSERT_TRUE(*stores().images->Settle(environment_.id, 1, {layer}));
  auto queued = stores().images->QueuedImages(10);
  ASSERT_TRUE(queued.ok()) << queued.status();
  ASSERT_EQ(queued->size(), 1u);
  EXPECT_EQ((*queued)[0].environment_id, environment_.id);
  EXPECT_EQ((*queued)[0].digest, "sha256:top");
  EXPECT_TRUE((*queued)[0].known);
  // Another image is lost, or the environment has moved on: they stay in the queue.
  EXPECT_FALSE(*stores().images->AwaitAgain(environment_.id, 7, "sha256:top", true));
  EXPECT_TRUE(*stores().images->AwaitAgain(environment_.id, 1, "sha256:other", false));
  EXPECT_EQ(stores().fleet->Queue(10)->size(), 1u);

  const auto again = stores().images->AwaitAgain(environment_.id, 1, "sha256:top", true);
  ASSERT_TRUE(again.ok() && *again) << again.status();
  EXPECT_TRUE(stores().fleet->Queue(10)->empty());
  EXPECT_TRUE(stores().images->QueuedImages(10)->empty());
  const Session session = *stores().sessions->Get(tenant_, created.session.id);
  EXPECT_EQ(session.state, SessionPhase::kPending);
  EXPECT_EQ(session.reason, "IMAGE_BUILDING");
  const EnvironmentImage image = stores().environments->Get(tenant_, environment_.id)->image;
  EXPECT_EQ(image.state, ImageState::kPending);
  EXPECT_EQ(image.generation, 2);
  layer.digest = "sha256:next";
  ASSERT_TRUE(*stores().images->Settle(environment_.id, 2, {layer}));
  EXPECT_EQ((*stores().fleet->Queue(10))[0].image_digest, "sha256:next");
}

TEST_F(ImageStoreTest, WhereNodesPullAMissingImageIsForgottenWithAllBelowIt) {
  Settings settings;
  settings.images_can_be_pulled = true;
  const auto database = Database::Open(options_, settings);
  ASSERT_TRUE(database.ok()) << database.status();
  ImageStore* const images = (*database)->stores().images;
  BuildClaim claim = Claim();
  Layer layer;
  layer.cache_key = "key";
  layer.digest = "sha256:below";
  layer.parent = "sha256:base";
  ASSERT_TRUE(images->Commit(layer, "build", node_.id).ok());
  claim.cache_key = claim.build_id = "upper";
  ASSERT_EQ(images->Claim(claim)->outcome, ImageStore::ClaimOutcome::kClaimed);
  layer.cache_key = "upper";
  layer.digest = "sha256:top";
  layer.parent = "sha256:below";
  ASSERT_TRUE(images->Commit(layer, "upper", node_.id).ok());
  ASSERT_TRUE(stores().images->ForgetImage(node_.id, "sha256:top").ok());
  EXPECT_EQ(images->Layers("upper")->size(), 1u) << "what one node lacks is no loss by itself";
  ASSERT_TRUE(images->ForgetImage(node_.id, "sha256:top").ok());
  EXPECT_TRUE(images->Layers("upper")->empty());
  EXPECT_TRUE(images->Layers("key")->empty());
}

TEST_F(ImageStoreTest, ACreateThatMissedTheEndOfTheBuildLooksAgain) {
  NewSession session = NewSessionOf(environment_, {});
  session.shape = "";
  ASSERT_TRUE(*stores().images->Settle(environment_.id, 1, {}));
  EXPECT_TRUE(absl::IsAborted(stores().sessions->Create(session, {}).status()));
}

TEST_F(ImageStoreTest, AnImagesProgressIsNoUpdateOfTheUser) {
  const Environment before = environment_;
  Claim();
  EXPECT_GT(environment_.revision, before.revision);
  EXPECT_EQ(environment_.updated_at, before.updated_at);
}

}  // namespace
}  // namespace paddock
