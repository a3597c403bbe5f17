#include "nodeagent/image/package_failure.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace paddock::nodeagent {
namespace {

// A package's name stands between the two.
struct Pattern {
  absl::string_view manager;
  absl::string_view before;
  absl::string_view ends;  // Any of these characters.
};

// In each manager's own words, the surest first.
constexpr Pattern kPatterns[] = {
    {"apt", "Unable to locate package ", " \n"},
    {"apt", "' for '", "'\n"},
    {"apt", "E: Package '", "'\n"},
    {"apt", "find any package by glob '", "'\n"},
    {"apt", "find any package by regex '", "'\n"},
    {"apt", "dpkg: error processing package ", " \n"},
    {"apt", "have unmet dependencies:\n ", " \n"},
    {"gem", "Could not find a valid gem '", "'\n"},
    {"gem", "Error installing ", ":\n"},
    {"npm", "No matching version found for ", " \n"},
    {"npm", "404  '", "'\n"},
    {"npm", "npm ERR! path /usr/local/lib/node_modules/", "\n"},
    {"npm", "npm error path /usr/local/lib/node_modules/", "\n"},
    {"pip", "No matching distribution found for ", " \n"},
    {"pip", "satisfies the requirement ", " \n"},
    {"pip", "ERROR: Package '", "'\n"},
    {"pip", "ERROR: Cannot install ", " ,\n"},
    {"pip", "ERROR: Directory '", "'\n"},
    {"pip", "Failed to build '", "'\n"},
    {"pip", "Failed to build installable wheels for some pyproject.toml based projects (", ",)\n"},
    {"pip", "Failed building wheel for ", " \n"},
};

// The name without its version, in each manager's syntax.
absl::string_view NameOf(absl::string_view manager, absl::string_view spec) {
  const absl::string_view marks = manager == "apt"   ? "=/:"
                                  : manager == "gem" ? ":"
                                  : manager == "pip" ? "=<>!~[;@ "
                                                     : "@";
  // An npm scope starts with the mark of versions.
  const size_t from = manager == "npm" && absl::StartsWith(spec, "@") ? 1 : 0;
  return spec.substr(0, spec.find_first_of(marks, from));
}

// What stands behind `==`; empty for none, and for a pattern.
std::string PinnedVersion(absl::string_view spec) {
  const size_t at = spec.find("==");
  if (at == absl::string_view::npos) return "";
  const absl::string_view version = spec.substr(at + 2);
  if (absl::StrContains(version, '*')) return "";
  return std::string(version.substr(0, version.find_first_of(",;@")));
}

}  // namespace

std::string FailedPackage(absl::string_view manager, const std::vector<std::string>& specs,
                          absl::string_view output) {
  for (const Pattern& pattern : kPatterns) {
    if (pattern.manager != manager) continue;
    const size_t at = output.find(pattern.before);
    if (at == absl::string_view::npos) continue;
    absl::string_view found = output.substr(at + pattern.before.size());
    found = found.substr(0, found.find_first_of(pattern.ends));
    absl::ConsumeSuffix(&found, ".");
    if (found.empty() || found.size() > 256) continue;
    for (const std::string& spec : specs) {
      if (spec == found || NameOf(manager, spec) == NameOf(manager, found)) return spec;
    }
    return std::string(found);
  }
  return specs.size() == 1 ? specs[0] : "";
}

bool BlamesInterpreter(absl::string_view manager, absl::string_view spec,
                       absl::string_view output) {
  if (manager != "pip") return false;
  if (absl::StrContains(output, "requires a different Python")) return true;
  // pip lists all versions that it passed over, asked for or not.
  const std::string pin = PinnedVersion(spec);
  return absl::StrContains(output, pin.empty() ? std::string("Requires-Python")
                                               : absl::StrCat(" ", pin, " Requires-Python"));
}

bool BlamesRegistry(absl::string_view output) {
  // Of libc, curl, Python, Node.js and Go.
  for (absl::string_view words : {"onnection refused",
                                  "onnection timed out",
                                  "Could not connect to",
                                  "Could not resolve",
                                  "Couldn't connect to",
                                  "Couldn't resolve",
                                  "Temporary failure in name resolution",
                                  "Temporary failure resolving",
                                  "Name or service not known",
                                  "Network is unreachable",
                                  "No route to host",
                                  "Read timed out",
                                  "ECONNREFUSED",
                                  "ECONNRESET",
                                  "ETIMEDOUT",
                                  "ENOTFOUND",
                                  "EAI_AGAIN",
                                  "i/o timeout",
                                  "no such host",
                                  "Failed to open TCP connection"}) {
    if (absl::StrContains(output, words)) return true;
  }
  return false;
}

bool BlamesDisk(absl::string_view output) {
  return absl::StrContains(output, "No space left on device") ||
         absl::StrContains(output, "Disk quota exceeded") || absl::StrContains(output, "ENOSPC") ||
         absl::StrContains(output, "EDQUOT");
}

}  // namespace paddock::nodeagent
