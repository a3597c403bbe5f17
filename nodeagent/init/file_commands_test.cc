// The file commands of the real sandbox program, as the agent runs them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <map>

#include "nodeagent/init/files.h"
#include "nodeagent/init/list_parser.h"
#include "nodeagent/init/test_sandbox.h"

namespace paddock::nodeagent {
namespace {

using file_protocol::EntryType;
using ::testing::HasSubstr;

class FileCommandsTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) { return sandbox_.directory() + "/" + name; }
  void Put(const std::string& name, const std::string& text) { std::ofstream(Path(name)) << text; }
  std::string Get(const std::string& name) {
    std::ifstream file(Path(name));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  absl::Status Status(const Finished& finished, const std::string& path) {
    if (!finished.exit.ok()) return finished.exit.status();
    return FileCommandStatus(*finished.exit, finished.err, path);
  }
  absl::StatusOr<std::string> Read(const std::string& path, int64_t offset = 0, int64_t limit = 0) {
    Finished finished = sandbox_.Run(ReadFileCommand(path, offset, limit));
    absl::Status status = Status(finished, path);
    if (!status.ok()) return status;
    return finished.out;
  }
  absl::Status WriteInput(const std::string& path, uint32_t mode, const std::string& input) {
    return Status(sandbox_.Run(WriteFileCommand(path, mode), input), path);
  }
  absl::Status Write(const std::string& path, const std::string& text, uint32_t mode = 0) {
    return WriteInput(path, mode,
                      (text.empty() ? "" : WriteFrame(text.size()) + text) + WriteEnd(text.size()));
  }
  absl::StatusOr<std::vector<DirectoryEntry>> List(const std::string& path) {
    Finished finished = sandbox_.Run(ListDirectoryCommand(path));
    absl::Status status = Status(finished, path);
    if (!status.ok()) return status;
    ListParser parser(100000);
    std::vector<DirectoryEntry> entries;
    status = parser.Consume(finished.out, &entries);
    if (!status.ok()) return status;
    EXPECT_TRUE(parser.finished());
    return entries;
  }
  size_t Names() {
    auto list = std::filesystem::directory_iterator(sandbox_.directory());
    return static_cast<size_t>(std::distance(begin(list), end(list)));
  }

  TestSandbox sandbox_;
};

TEST_F(FileCommandsTest, ReadsWholeFilesAndRanges) {
  Put("f", "0123456789");
  EXPECT_EQ(*Read(Path("f")), "0123456789");
  EXPECT_EQ(*Read(Path("f"), 3), "3456789");
  EXPECT_EQ(*Read(Path("f"), 3, 4), "3456");
  EXPECT_EQ(*Read(Path("f"), 100), "");
  EXPECT_EQ(Read("/proc/self/status")->substr(0, 5), "Name:") << "size 0, content all the same";
}

TEST_F(FileCommandsTest, ReadRefusesWhatIsNoRegularFile) {
  EXPECT_TRUE(absl::IsNotFound(Read(Path("missing")).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Read(sandbox_.directory()).status()));
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Read(Path("fifo")).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Read("/dev/zero").status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Read(sandbox_.socket_path()).status()));
  std::filesystem::create_symlink("loop", Path("loop"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Read(Path("loop")).status()));
}

TEST_F(FileCommandsTest, WritesNewFilesAndTheirParents) {
  std::string text(3 << 20, 'x');
  ASSERT_TRUE(Write(Path("a/b/c/f"), text).ok());
  EXPECT_EQ(Get("a/b/c/f"), text);
  struct stat info;
  ASSERT_EQ(stat(Path("a/b/c/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0644u);
  ASSERT_EQ(stat(Path("a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
  ASSERT_TRUE(Write(Path("x"), "#!/bin/sh\n", 0755).ok());
  ASSERT_EQ(stat(Path("x").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755u);
  ASSERT_TRUE(Write(Path("empty"), "").ok());
  ASSERT_EQ(stat(Path("empty").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 0);
}

TEST_F(FileCommandsTest, ReplacesFilesAndKeepsModeAndOwner) {
  Put("f", "a long old text");
  ASSERT_EQ(chmod(Path("f").c_str(), 0640), 0);
  ASSERT_EQ(chown(Path("f").c_str(), 1234, 2345), 0);
  size_t names = Names();
  ASSERT_TRUE(Write(Path("f"), "new").ok());
  EXPECT_EQ(Get("f"), "new");
  struct stat info;
  ASSERT_EQ(stat(Path("f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0640u);
  EXPECT_EQ(info.st_uid, 1234u);
  EXPECT_EQ(info.st_gid, 2345u);
  EXPECT_EQ(Names(), names) << "no temporary file is left";
}

TEST_F(FileCommandsTest, WritesThroughLinks) {
  Put("target", "old");
  std::filesystem::create_symlink("target", Path("relative"));
  std::filesystem::create_symlink(Path("relative"), Path("absolute"));
  ASSERT_TRUE(Write(Path("absolute"), "new").ok());
  EXPECT_EQ(Get("target"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(Path("absolute")));
  std::filesystem::create_symlink("sub/made", Path("dangling"));
  ASSERT_TRUE(Write(Path("dangling"), "x").ok());
  EXPECT_EQ(Get("sub/made"), "x");
  std::filesystem::create_symlink("loop", Path("loop"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Write(Path("loop"), "x")));
}

TEST_F(FileCommandsTest, AnInputWithoutItsEndChangesNothing) {
  Put("f", "old");
  size_t names = Names();
  for (const std::string& input :
       {std::string(), WriteFrame(10) + "12345", WriteFrame(5) + "12345", std::string("\x01"),
        WriteFrame(5) + "12345" + WriteFrame(0), WriteFrame(5) + "12345" + WriteEnd(4),
        WriteFrame(0xffffffff) + "12345"}) {
    EXPECT_TRUE(absl::IsCancelled(WriteInput(Path("f"), 0, input)));
    EXPECT_TRUE(absl::IsCancelled(WriteInput(Path("new/parent/f"), 0, input)));
  }
  EXPECT_EQ(Get("f"), "old");
  EXPECT_EQ(Names(), names) << "neither a file nor a parent";
}

TEST_F(FileCommandsTest, WriteRefusesOtherKinds) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(Write(Path("fifo"), "x")));
  EXPECT_TRUE(absl::IsFailedPrecondition(Write("/dev/null", "x")));
  EXPECT_TRUE(absl::IsFailedPrecondition(Write(sandbox_.directory(), "x")));
  EXPECT_TRUE(absl::IsFailedPrecondition(Write(Path("new/"), "x")));
  Put("file", "x");
  for (const char* name : {"file/below", "file/far/below"}) {
    const absl::Status status = Write(Path(name), "x");
    EXPECT_TRUE(absl::IsNotFound(status));
    EXPECT_THAT(status.message(), HasSubstr("not a directory"));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(Write(Path(std::string(256, 'n')), "x")));
  EXPECT_TRUE(absl::IsInvalidArgument(Write(Path(std::string(256, 'n') + "/x"), "x")));
}

TEST_F(FileCommandsTest, ListsEveryKind) {
  Put("with space\nand line", "12345");
  std::filesystem::create_directory(Path("d"));
  std::filesystem::create_symlink("d/nowhere", Path("l"));
  ASSERT_EQ(mkfifo(Path("p").c_str(), 0600), 0);
  absl::StatusOr<std::vector<DirectoryEntry>> entries = List(sandbox_.directory());
  ASSERT_TRUE(entries.ok()) << entries.status();
  std::map<std::string, DirectoryEntry> by_name;
  for (DirectoryEntry& entry : *entries) by_name[entry.name] = entry;
  EXPECT_EQ(by_name.size(), 5u);
  EXPECT_EQ(by_name["with space\nand line"].size, 5);
  EXPECT_EQ(by_name["with space\nand line"].type, EntryType::kFile);
  EXPECT_EQ(by_name["d"].type, EntryType::kDirectory);
  EXPECT_EQ(by_name["l"].type, EntryType::kSymlink);
  EXPECT_EQ(by_name["l"].target, "d/nowhere");
  EXPECT_EQ(by_name["p"].type, EntryType::kFifo);
  EXPECT_EQ(by_name["p"].mode, 0600u);
  EXPECT_EQ(by_name["init.sock"].type, EntryType::kSocket);
}

TEST_F(FileCommandsTest, ListsManyAndSaysWhyNot) {
  std::filesystem::create_directory(Path("many"));
  for (int i = 0; i < 3000; ++i) Put("many/" + std::string(100, 'n') + std::to_string(i), "");
  EXPECT_EQ(List(Path("many"))->size(), 3000u);
  EXPECT_TRUE(List(Path("many/..")).ok());
  EXPECT_TRUE(absl::IsNotFound(List(Path("missing")).status()));
  Put("f", "");
  EXPECT_TRUE(absl::IsFailedPrecondition(List(Path("f")).status()));
  const absl::Status below = List(Path("f/below")).status();
  EXPECT_TRUE(absl::IsNotFound(below)) << below;
  EXPECT_THAT(below.message(), HasSubstr("not a directory"));
}

}  // namespace
}  // namespace paddock::nodeagent
