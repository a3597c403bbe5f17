#include "nodeagent/net/nft.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

// A C header without linkage specification.
extern "C" {
#include <nftables/libnftables.h>
}

namespace paddock::nodeagent {

void Nft::Closer::operator()(nft_ctx* context) const { nft_ctx_free(context); }

absl::StatusOr<Nft> Nft::Create() {
  nft_ctx* context = nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr) return absl::InternalError("opening nftables failed");
  nft_ctx_buffer_output(context);
  nft_ctx_buffer_error(context);
  return Nft(context);
}

absl::Status Nft::Run(const std::string& script) {
  int result = nft_run_cmd_from_buffer(context_.get(), script.c_str());
  nft_ctx_get_output_buffer(context_.get());
  std::string error = nft_ctx_get_error_buffer(context_.get());
  if (result != 0) {
    return absl::InternalError(absl::StrCat("nftables: ", absl::StripAsciiWhitespace(error)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Nft::List(const std::string& command) {
  nft_ctx_output_set_flags(context_.get(), NFT_CTX_OUTPUT_JSON);
  int result = nft_run_cmd_from_buffer(context_.get(), command.c_str());
  nft_ctx_output_set_flags(context_.get(), 0);
  std::string output = nft_ctx_get_output_buffer(context_.get());
  std::string error = nft_ctx_get_error_buffer(context_.get());
  if (result != 0) {
    return absl::InternalError(absl::StrCat("nftables: ", absl::StripAsciiWhitespace(error)));
  }
  return output;
}

}  // namespace paddock::nodeagent
