#include "nodeagent/image/image_facts.h"

#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "nodeagent/image/package_plan.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr char kAddedCertificates[] = "/usr/local/share/ca-certificates";

std::vector<std::string> SearchPath(const Layer& base) {
  for (absl::string_view entry : base.environment) {
    if (absl::ConsumePrefix(&entry, "PATH=")) return absl::StrSplit(entry, ':', absl::SkipEmpty());
  }
  return {"/usr/local/bin", "/usr/bin", "/bin"};
}

}  // namespace

std::vector<std::string> ManagersOf(const Layer& base) {
  std::vector<std::string> managers;
  for (const absl::string_view manager : kManagers) {
    for (const std::string& directory : SearchPath(base)) {
      if (!PathExists(absl::StrCat(base.root_dir, directory, "/", ManagerProgram(manager)))) {
        continue;
      }
      managers.emplace_back(manager);
      break;
    }
  }
  return managers;
}

std::string CaBundleDigest(const Layer& base) {
  const std::string directory = absl::StrCat(base.root_dir, kAddedCertificates);
  const absl::StatusOr<std::vector<std::string>> names = ListDirectory(directory);
  if (!names.ok()) return "";
  std::string all;
  for (const std::string& name : *names) {
    if (!absl::EndsWith(name, ".crt")) continue;
    const absl::StatusOr<std::string> text = ReadFile(absl::StrCat(directory, "/", name));
    if (text.ok()) absl::StrAppend(&all, name, "\n", *text, "\n");
  }
  if (all.empty()) return "";
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest);
  return absl::StrCat("sha256:", absl::BytesToHexString(absl::string_view(
                                     reinterpret_cast<const char*>(digest), sizeof digest)));
}

std::string Platform() {
#if defined(__x86_64__)
  return "linux/amd64";
#elif defined(__aarch64__)
  return "linux/arm64";
#else
#error "name this platform as container images do"
#endif
}

}  // namespace paddock::nodeagent
