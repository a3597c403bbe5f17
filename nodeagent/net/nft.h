#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct nft_ctx;

namespace paddock::nodeagent {

// Runs nftables scripts in the network namespace that the calling thread is in at the time of
// Create, and stays there. Not thread-safe.
class Nft {
 public:
  static absl::StatusOr<Nft> Create();
  // A script is one transaction: all of it or nothing. INTERNAL with what nftables says.
  absl::Status Run(const std::string& script);
  // Output of a list command as JSON text.
  absl::StatusOr<std::string> List(const std::string& command);

 private:
  struct Closer {
    void operator()(nft_ctx* context) const;
  };
  explicit Nft(nft_ctx* context) : context_(context) {}
  std::unique_ptr<nft_ctx, Closer> context_;
};

}  // namespace paddock::nodeagent
