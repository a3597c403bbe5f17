#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "nodeagent/image/volume_store.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {

// What every VolumeStore does. A back end's test derives a Fixture with `VolumeStore& store()` over
// an empty store, and instantiates the suite with it.
template <typename Fixture>
class VolumeStoreContract : public Fixture {
 protected:
  static constexpr int64_t kBound = 64 << 20;

  // Writes and syncs `bytes` of noise; how many went in.
  static int64_t Fill(const std::string& path, int64_t bytes) {
    UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    std::string block(1 << 20, '\0');
    unsigned seed = 1;
    for (char& c : block) c = static_cast<char>(rand_r(&seed));
    int64_t written = 0;
    while (written < bytes) {
      const ssize_t n = write(fd.get(), block.data(), block.size());
      if (n <= 0 || fdatasync(fd.get()) != 0) break;
      written += n;
    }
    return written;
  }
};

TYPED_TEST_SUITE_P(VolumeStoreContract);

TYPED_TEST_P(VolumeStoreContract, AVolumeHasUpperAndWork) {
  const absl::StatusOr<std::string> path = this->store().Create("sesn_a", this->kBound);
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_TRUE(PathExists(*path + "/upper"));
  EXPECT_TRUE(PathExists(*path + "/work"));
  EXPECT_TRUE(this->store().Destroy("sesn_a").ok());
}

TYPED_TEST_P(VolumeStoreContract, WritesPastTheBoundFailAndOthersGoOn) {
  const absl::StatusOr<std::string> full = this->store().Create("sesn_full", this->kBound);
  const absl::StatusOr<std::string> other = this->store().Create("sesn_other", this->kBound);
  ASSERT_TRUE(full.ok() && other.ok()) << full.status() << other.status();
  const int64_t written = this->Fill(*full + "/upper/fill", 2 * this->kBound);
  EXPECT_LE(written, this->kBound);
  EXPECT_GE(written, this->kBound / 2);
  EXPECT_EQ(this->Fill(*other + "/upper/file", 1 << 20), 1 << 20);
  EXPECT_TRUE(this->store().Destroy("sesn_full").ok());
  EXPECT_TRUE(this->store().Destroy("sesn_other").ok());
}

TYPED_TEST_P(VolumeStoreContract, CreatingAgainKeepsTheContent) {
  const absl::StatusOr<std::string> path = this->store().Create("sesn_a", this->kBound);
  ASSERT_TRUE(path.ok()) << path.status();
  ASSERT_TRUE(WriteFile(*path + "/upper/note", "kept").ok());
  ASSERT_TRUE(this->store().Create("sesn_a", this->kBound).ok());
  const absl::StatusOr<std::string> note = ReadFile(*path + "/upper/note");
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_EQ(*note, "kept");
  EXPECT_TRUE(this->store().Destroy("sesn_a").ok());
}

TYPED_TEST_P(VolumeStoreContract, ListNamesWhatIsThere) {
  ASSERT_TRUE(this->store().Create("sesn_a", this->kBound).ok());
  ASSERT_TRUE(this->store().Create("sesn_b", this->kBound).ok());
  const absl::StatusOr<std::vector<std::string>> ids = this->store().List();
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_EQ(*ids, (std::vector<std::string>{"sesn_a", "sesn_b"}));
  EXPECT_TRUE(this->store().Destroy("sesn_a").ok());
  EXPECT_TRUE(this->store().Destroy("sesn_b").ok());
  EXPECT_TRUE(this->store().List()->empty());
}

TYPED_TEST_P(VolumeStoreContract, DestroyingWhatIsNotThereIsFine) {
  EXPECT_TRUE(this->store().Destroy("sesn_none").ok());
  ASSERT_TRUE(this->store().Create("sesn_a", this->kBound).ok());
  EXPECT_TRUE(this->store().Destroy("sesn_a").ok());
  EXPECT_TRUE(this->store().Destroy("sesn_a").ok());
}

TYPED_TEST_P(VolumeStoreContract, UsageSaysWhatIsUsedOfWhat) {
  const absl::StatusOr<std::string> path = this->store().Create("sesn_a", this->kBound);
  ASSERT_TRUE(path.ok()) << path.status();
  this->Fill(*path + "/upper/fill", 8 << 20);
  UniqueFd volume(open(path->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(syncfs(volume.get()), 0);
  const absl::StatusOr<VolumeStore::Usage> usage = this->store().GetUsage("sesn_a");
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_GE(usage->used_bytes, 8 << 20);
  EXPECT_LE(usage->limit_bytes, this->kBound);
  EXPECT_GE(usage->limit_bytes, this->kBound / 2);
  const absl::StatusOr<VolumeStore::Usage> all = this->store().GetFileSystemUsage();
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_GT(all->limit_bytes, all->used_bytes);
  EXPECT_TRUE(this->store().Destroy("sesn_a").ok());
}

REGISTER_TYPED_TEST_SUITE_P(VolumeStoreContract, AVolumeHasUpperAndWork,
                            WritesPastTheBoundFailAndOthersGoOn, CreatingAgainKeepsTheContent,
                            ListNamesWhatIsThere, DestroyingWhatIsNotThereIsFine,
                            UsageSaysWhatIsUsedOfWhat);

}  // namespace paddock::nodeagent
