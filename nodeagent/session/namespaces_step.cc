#include "nodeagent/session/namespaces_step.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr mode_t kReadableByAll = 0644;

absl::Status WriteEtcFiles(const std::string& dir, const std::string& hostname,
                           const NamespacePair& pair) {
  PADDOCK_RETURN_IF_ERROR(MakeDirectories(dir));
  PADDOCK_RETURN_IF_ERROR(WriteFile(absl::StrCat(dir, "/resolv.conf"),
                                    absl::StrCat("nameserver ", pair.gateway, "\n"),
                                    kReadableByAll));
  PADDOCK_RETURN_IF_ERROR(
      WriteFile(absl::StrCat(dir, "/hosts"),
                absl::StrCat("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
                             pair.address, " ", hostname, "\n"),
                kReadableByAll));
  return WriteFile(absl::StrCat(dir, "/hostname"), absl::StrCat(hostname, "\n"), kReadableByAll);
}

}  // namespace

absl::Status NamespacesStep::Do(StartContext& context) {
  PADDOCK_ASSIGN_OR_RETURN(context.pair, resources_->pool->Acquire());
  const NamespacePair& pair = context.pair;
  context.record.pair =
      PairRecord{pair.index, pair.uid_base, pair.address, pair.gateway, pair.router_veth};
  context.container.userns_fd = pair.userns.get();
  context.container.netns_fd = pair.netns.get();
  context.container.uid_base = pair.uid_base;
  return WriteEtcFiles(context.container.etc_dir, context.container.hostname, pair);
}

absl::Status NamespacesStep::Undo(const SessionRecord& record, bool keep_volume) {
  return absl::OkStatus();
}

absl::Status NamespacesStep::GiveBack(const SessionRecord& record) {
  return record.pair.has_value() ? resources_->pool->Release(record.pair->index) : absl::OkStatus();
}

}  // namespace paddock::nodeagent
