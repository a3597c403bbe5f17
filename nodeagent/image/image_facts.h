#pragma once

#include <string>
#include <vector>

#include "nodeagent/image/layer_store.h"

namespace paddock::nodeagent {

// The package managers whose programs lie in the PATH of a base image, in their order.
std::vector<std::string> ManagersOf(const Layer& base);

// Digest of the certificates of authority that were added to the image; empty when none were.
std::string CaBundleDigest(const Layer& base);

// "linux/amd64" and the like, as images name them.
std::string Platform();

}  // namespace paddock::nodeagent
