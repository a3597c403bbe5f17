#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// Changes when plans change so that what they make differs; part of every layer's cache key.
inline constexpr absl::string_view kBuilderVersion = "1";

// The managers in the order in which their layers lie on each other.
inline constexpr absl::string_view kManagers[] = {"apt", "cargo", "gem", "go", "npm", "pip"};

// The program by which one sees that a file system has the manager.
absl::string_view ManagerProgram(absl::string_view manager);

// One command of a build, run as root in its sandbox. Specs are arguments of it, never shell text.
struct PackageCommand {
  std::vector<std::string> argv;
  std::map<std::string, std::string> env;
  std::string package;  // The spec that it is about, if it is about a single one.
};

// How a layer is made, as a value.
struct PackagePlan {
  std::vector<PackageCommand> commands;  // In order; the first that fails ends the build.
  std::vector<std::string> environment;  // KEY=value that sandboxes from the layer get.
};

struct PackageRequest {
  std::string manager;
  // The manager itself is wanted, from apt, and `specs` is empty.
  bool toolchain = false;
  std::vector<std::string> specs;
  // The image's bundle of trusted certificates, for managers that bring roots of their own; empty:
  // the image has none.
  std::string ca_file;
};

// Pure. INVALID_ARGUMENT for an unknown manager, and for specs that could be anything but the name
// of something to install.
absl::StatusOr<PackagePlan> PlanPackages(const PackageRequest& request);

// Pure: asks, after `package` failed to install, whether there is a build of it that needs no
// compiler and fits the image's interpreter. Empty for managers where that isn't a question.
std::vector<std::string> FitsInterpreterCommand(absl::string_view manager,
                                                const std::string& package);

}  // namespace paddock::nodeagent
