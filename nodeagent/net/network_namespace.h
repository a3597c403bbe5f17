#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nodeagent/system/unique_fd.h"

namespace paddock::nodeagent {

// Puts the calling thread into a network namespace and back at the end. Only for single-threaded
// processes and short-lived threads. Dies if there is no way back: a thread that stayed in the
// wrong namespace would act on the wrong machine's network.
class ScopedNetworkNamespace {
 public:
  static absl::StatusOr<ScopedNetworkNamespace> Enter(int netns_fd);
  // A namespace that didn't exist before; Current() names it.
  static absl::StatusOr<ScopedNetworkNamespace> EnterNew();
  ScopedNetworkNamespace(ScopedNetworkNamespace&&) = default;
  ScopedNetworkNamespace& operator=(ScopedNetworkNamespace&&) = delete;
  ~ScopedNetworkNamespace();

 private:
  explicit ScopedNetworkNamespace(UniqueFd home) : home_(std::move(home)) {}
  UniqueFd home_;
};

// The calling thread's network namespace.
absl::StatusOr<UniqueFd> CurrentNetworkNamespace();

// Opens a network namespace that is bound to `path`; NOT_FOUND if there is none at the path.
absl::StatusOr<UniqueFd> OpenPinnedNamespace(const std::string& path);
// Binds the calling thread's network namespace to `path`, which is made if it is missing.
absl::Status PinCurrentNamespace(const std::string& path);
// Unbinds and removes `path`; OK if it isn't there.
absl::Status UnpinNamespace(const std::string& path);

// Writes /proc/sys/net/<name> of the calling thread's network namespace.
absl::Status WriteNetworkSetting(absl::string_view name, absl::string_view value);

}  // namespace paddock::nodeagent
