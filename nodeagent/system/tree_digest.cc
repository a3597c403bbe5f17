#include "nodeagent/system/tree_digest.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kBuffer = 1 << 20;
constexpr size_t kMaxXattrNames = 65'536;
constexpr size_t kMaxXattrValue = 65'536;

// Where a file was copied up from: file handles of this disk, of use to nobody else.
bool IsOfThePlace(absl::string_view xattr) {
  return xattr == "trusted.overlay.origin" || xattr == "trusted.overlay.impure" ||
         xattr == "trusted.overlay.nlink" || xattr == "trusted.overlay.uuid";
}

std::string Finished(EVP_MD_CTX* context) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(context, digest, &size);
  return absl::StrCat("sha256:", absl::BytesToHexString(absl::string_view(
                                     reinterpret_cast<const char*>(digest), size)));
}

class Walker {
 public:
  Walker(const TreeDigestOptions& options, dev_t device)
      : options_(options), device_(device), context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr);
    Field(options_.seed);
  }

  absl::Status Directory(int fd, const std::string& path, int depth) {
    if (depth > options_.max_depth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("directories are nested deeper than ", options_.max_depth));
    }
    // An own link to it: names must not be read through a descriptor that others move.
    PADDOCK_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                             ListDirectory(absl::StrCat("/proc/self/fd/", fd)));
    for (const std::string& name : names) {
      const std::string child = path.empty() ? name : absl::StrCat(path, "/", name);
      PADDOCK_RETURN_IF_ERROR(Entry(fd, name, child, depth));
    }
    return absl::OkStatus();
  }

  absl::Status Root(int fd) {
    struct stat st;
    if (fstat(fd, &st) != 0) return ErrnoStatus("fstat");
    Field("/");
    Metadata(st);
    PADDOCK_RETURN_IF_ERROR(Xattrs(absl::StrCat("/proc/self/fd/", fd, "/."), "/"));
    return Directory(fd, "", 1);
  }

  TreeDigest Finish() {
    result_.digest = Finished(context_.get());
    return result_;
  }

 private:
  absl::Status Entry(int parent, const std::string& name, const std::string& path, int depth) {
    if (++result_.entries > options_.max_entries) {
      return absl::ResourceExhaustedError(
          absl::StrCat("more than ", options_.max_entries, " files"));
    }
    if (result_.entries % 1024 == 0) PADDOCK_RETURN_IF_ERROR(CheckCancelled());
    struct stat st;
    if (fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      return ErrnoStatus(absl::StrCat("stat ", path));
    }
    if (st.st_dev != device_) {
      return absl::FailedPreconditionError(absl::StrCat(path, " is another file system"));
    }
    Field(path);
    // An overlay makes its whiteouts of one inode, archives don't.
    if (S_ISREG(st.st_mode) && st.st_nlink > 1) {
      const auto [first, added] = links_.emplace(st.st_ino, path);
      if (!added) {
        Field("link");
        Field(first->second);
        return absl::OkStatus();
      }
    }
    result_.bytes += st.st_blocks * 512;
    Metadata(st);
    PADDOCK_RETURN_IF_ERROR(Xattrs(absl::StrCat("/proc/self/fd/", parent, "/", name), path));
    if (S_ISREG(st.st_mode)) return File(parent, name, path, st);
    if (S_ISLNK(st.st_mode)) return Link(parent, name, path, st);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
      Field(absl::StrCat(major(st.st_rdev), ":", minor(st.st_rdev)));
    }
    if (!S_ISDIR(st.st_mode)) return absl::OkStatus();
    const UniqueFd fd(
        openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
    return Directory(fd.get(), path, depth + 1);
  }

  void Metadata(const struct stat& st) {
    Field(absl::StrCat(st.st_mode, " ", st.st_uid, " ", st.st_gid, " ", st.st_mtim.tv_sec, ".",
                       st.st_mtim.tv_nsec));
  }

  // `via` leads to the entry itself: of a link no further than to its own attributes.
  absl::Status Xattrs(const std::string& via, const std::string& path) {
    char names[kMaxXattrNames];
    const ssize_t size = llistxattr(via.c_str(), names, sizeof names);
    if (size < 0) {
      return errno == ENOTSUP ? absl::OkStatus() : ErrnoStatus(absl::StrCat("listxattr ", path));
    }
    std::vector<std::string> sorted;
    for (ssize_t at = 0; at < size;) {
      sorted.emplace_back(names + at);
      at += static_cast<ssize_t>(sorted.back().size()) + 1;
    }
    std::sort(sorted.begin(), sorted.end());
    std::string value(kMaxXattrValue, '\0');
    for (const std::string& name : sorted) {
      if (IsOfThePlace(name)) continue;
      const ssize_t length = lgetxattr(via.c_str(), name.c_str(), value.data(), value.size());
      if (length < 0) return ErrnoStatus(absl::StrCat("getxattr ", name, " of ", path));
      Field(name);
      Field(absl::string_view(value.data(), static_cast<size_t>(length)));
    }
    return absl::OkStatus();
  }

  absl::Status File(int parent, const std::string& name, const std::string& path,
                    const struct stat& st) {
    apparent_ += st.st_size;
    if (apparent_ > options_.max_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("files of more than ", options_.max_bytes, " bytes, holes included"));
    }
    const UniqueFd fd(openat(parent, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
    Field(absl::StrCat(st.st_size));
    while (true) {
      PADDOCK_RETURN_IF_ERROR(CheckCancelled());
      const ssize_t n = read(fd.get(), buffer_.data(), buffer_.size());
      if (n < 0) return ErrnoStatus(absl::StrCat("read ", path));
      if (n == 0) return absl::OkStatus();
      EVP_DigestUpdate(context_.get(), buffer_.data(), static_cast<size_t>(n));
    }
  }

  absl::Status Link(int parent, const std::string& name, const std::string& path,
                    const struct stat& st) {
    std::string target(static_cast<size_t>(st.st_size) + 1, '\0');
    const ssize_t n = readlinkat(parent, name.c_str(), target.data(), target.size());
    if (n < 0) return ErrnoStatus(absl::StrCat("readlink ", path));
    Field(absl::string_view(target.data(), static_cast<size_t>(n)));
    return absl::OkStatus();
  }

  absl::Status CheckCancelled() const {
    return options_.cancelled != nullptr && options_.cancelled()
               ? absl::CancelledError("cancelled while the tree was hashed")
               : absl::OkStatus();
  }

  // With its length, so that no two sequences of fields give the same bytes.
  void Field(absl::string_view text) {
    const std::string length = absl::StrCat(text.size(), ":");
    EVP_DigestUpdate(context_.get(), length.data(), length.size());
    EVP_DigestUpdate(context_.get(), text.data(), text.size());
  }

  const TreeDigestOptions& options_;
  const dev_t device_;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  std::vector<char> buffer_ = std::vector<char>(kBuffer);
  std::map<ino_t, std::string> links_;
  int64_t apparent_ = 0;
  TreeDigest result_;
};

}  // namespace

absl::StatusOr<std::string> DigestFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  std::vector<char> buffer(kBuffer);
  ssize_t n = 0;
  while ((n = read(fd.get(), buffer.data(), buffer.size())) > 0) {
    EVP_DigestUpdate(context.get(), buffer.data(), static_cast<size_t>(n));
  }
  if (n < 0) return ErrnoStatus(absl::StrCat("read ", path));
  return Finished(context.get());
}

absl::StatusOr<TreeDigest> DigestTree(const std::string& path, const TreeDigestOptions& options) {
  PADDOCK_ASSIGN_OR_RETURN(const UniqueFd root, OpenDirectory(path));
  struct stat st;
  if (fstat(root.get(), &st) != 0) return ErrnoStatus(absl::StrCat("fstat ", path));
  Walker walker(options, st.st_dev);
  PADDOCK_RETURN_IF_ERROR(walker.Root(root.get()));
  return walker.Finish();
}

}  // namespace paddock::nodeagent
