#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/core/change.h"
#include "controlplane/core/metadata_patch.h"
#include "controlplane/core/resources.h"

// What a create or an update call changes of an environment, for every front end. A default patch
// changes nothing.
//
//   gRPC with a mask     a named leaf is Set, or Clear where the message lacks it; a named parent
//                        does so for every field below it
//   gRPC without a mask  what is set is Set, the rest Keep; metadata merges
//   REST                 absent is Keep, null is Clear; metadata merges
//   a create             the same, applied to an environment of defaults
namespace paddock {

struct PackagesPatch {
  Change<std::vector<std::string>> apt;
  Change<std::vector<std::string>> cargo;
  Change<std::vector<std::string>> gem;
  Change<std::vector<std::string>> go;
  Change<std::vector<std::string>> npm;
  Change<std::vector<std::string>> pip;
};

// Applied to an unrestricted network, it starts from a limited one without any permission.
struct LimitedPatch {
  Change<std::vector<std::string>> allowed_hosts;
  Change<bool> allow_mcp_servers;
  Change<bool> allow_package_managers;
};

struct NetworkingPatch {
  // kClear means unrestricted, the default.
  enum class Kind { kKeep, kClear, kUnrestricted, kLimited };
  Kind kind = Kind::kKeep;
  LimitedPatch limited;  // Meaningful with kLimited.
};

struct CloudPatch {
  PackagesPatch packages;
  NetworkingPatch networking;
};

struct ConfigPatch {
  // kClear means the defaults of the type that the environment has. kCloud and kSelfHosted also
  // say which type the caller takes it for.
  enum class Kind { kKeep, kClear, kCloud, kSelfHosted };
  Kind kind = Kind::kKeep;
  CloudPatch cloud;  // Meaningful with kCloud.
};

struct EnvironmentPatch {
  Change<std::string> name;         // Can't be cleared.
  Change<std::string> description;  // Clear: null.
  MetadataPatch metadata;
  ConfigPatch config;
};

// A patch that sets, or clears, each of the fields below.
PackagesPatch ReplacePackages(const Packages& packages);
NetworkingPatch ReplaceNetworking(const Networking& networking);
ConfigPatch ReplaceConfig(const EnvironmentConfig& config);

// Refuses, without looking at an environment, what no environment could take, and what would be
// expensive to apply under a lock. INVALID_ARGUMENT with the violations.
absl::Status CheckEnvironmentPatch(const EnvironmentPatch& patch);

// `current` with `patch` applied, checked as a whole and in canonical form. When the packages
// changed, the image starts anew (NextImage). Ids, times and revision are left alone. Pure.
//   INVALID_ARGUMENT     the result breaks rules (all violations), or the type of config would
//                        change (reason INVALID_CONFIG_TYPE_CHANGE).
absl::StatusOr<Environment> ApplyEnvironmentPatch(const EnvironmentPatch& patch,
                                                  const Environment& current);

// The environment that a create call asks for: `patch` on the defaults (cloud, unrestricted, no
// packages). Ids, tenant, times and revision are left empty.
absl::StatusOr<Environment> NewEnvironment(const EnvironmentPatch& patch);

// Whether the two differ in anything that a user can change.
bool SameContent(const Environment& a, const Environment& b);

}  // namespace paddock
