#include "nodeagent/runtime/seccomp_filter.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/unique_fd.h"
#include "seccomp_profile_data.h"

namespace paddock::nodeagent {
namespace {

using Json = nlohmann::json;
using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

absl::StatusOr<uint32_t> Action(const std::string& name, const Json& errno_ret) {
  if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (name == "SCMP_ACT_ERRNO") {
    return SCMP_ACT_ERRNO(errno_ret.is_number_unsigned() ? errno_ret.get<uint32_t>() : 1U);
  }
  return absl::InvalidArgumentError(absl::StrCat("seccomp action \"", name, "\""));
}

absl::StatusOr<scmp_arg_cmp> Comparison(const Json& arg) {
  const std::string op = arg.value("op", "");
  const unsigned index = arg.value("index", 0U);
  const uint64_t value = arg.value("value", uint64_t{0});
  if (op == "SCMP_CMP_EQ") return SCMP_CMP64(index, SCMP_CMP_EQ, value);
  if (op == "SCMP_CMP_MASKED_EQ") {
    return SCMP_CMP64(index, SCMP_CMP_MASKED_EQ, value, arg.value("valueTwo", uint64_t{0}));
  }
  return absl::InvalidArgumentError(absl::StrCat("seccomp comparison \"", op, "\""));
}

absl::Status AddRule(void* filter, const Json& rule) {
  PADDOCK_ASSIGN_OR_RETURN(const uint32_t action,
                           Action(rule.value("action", ""), rule.value("errnoRet", Json())));
  std::vector<scmp_arg_cmp> comparisons;
  for (const Json& arg : rule.value("args", Json::array())) {
    PADDOCK_ASSIGN_OR_RETURN(const scmp_arg_cmp comparison, Comparison(arg));
    comparisons.push_back(comparison);
  }
  for (const std::string name : rule.value("names", Json::array())) {
    const int number = seccomp_syscall_resolve_name(name.c_str());
    // Negative numbers stand for calls that this architecture or this libseccomp doesn't know;
    // they stay refused.
    if (number < 0) continue;
    const int error = seccomp_rule_add_array(
        filter, action, number, static_cast<unsigned>(comparisons.size()), comparisons.data());
    if (error != 0) return ErrnoStatus(-error, absl::StrCat("seccomp rule for ", name));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Export(void* filter) {
  UniqueFd fd(memfd_create("seccomp", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("memfd_create");
  if (const int error = seccomp_export_bpf(filter, fd.get()); error != 0) {
    return ErrnoStatus(-error, "seccomp_export_bpf");
  }
  return ReadFile(absl::StrCat("/proc/self/fd/", fd.get()));
}

}  // namespace

Json SeccompProfile() {
  Json profile = Json::parse(kSeccompProfile);
  profile.erase("comment");
  // No other ABI than the machine's own: libseccomp adds that by itself.
  profile.erase("architectures");
  for (Json& rule : profile["syscalls"]) rule.erase("comment");
  return profile;
}

absl::StatusOr<std::string> CompileSeccompFilter(const Json& profile) {
  PADDOCK_ASSIGN_OR_RETURN(
      const uint32_t default_action,
      Action(profile.value("defaultAction", ""), profile.value("defaultErrnoRet", Json())));
  Filter filter(seccomp_init(default_action), &seccomp_release);
  if (filter == nullptr) return absl::InternalError("seccomp_init");
  seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  // A binary tree: 8 comparisons a call instead of 300.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const Json& rule : profile.value("syscalls", Json::array())) {
    PADDOCK_RETURN_IF_ERROR(AddRule(filter.get(), rule));
  }
  return Export(filter.get());
}

}  // namespace paddock::nodeagent
