#include "nodeagent/egress/client_hello.h"

#include <cstdint>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace paddock::nodeagent {
namespace {

constexpr uint16_t kServerName = 0;
constexpr uint16_t kEncryptedClientHello = 0xfe0d;
constexpr uint16_t kEncryptedServerName = 0xffce;  // The draft before it.
constexpr uint8_t kHostName = 0;
constexpr size_t kRandom = 32;
constexpr size_t kMaxSessionId = 32;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed ClientHello: ", what));
}

// Reads from the front; after a failed read everything fails.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_; }
  bool done() const { return bytes_.empty(); }
  absl::string_view Take(size_t size) {
    if (bytes_.size() < size) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    absl::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  size_t Number(int size) {
    size_t value = 0;
    for (char c : Take(size)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  // A vector with its length, of `size` bytes, before it.
  absl::string_view Vector(int size) { return Take(Number(size)); }

 private:
  absl::string_view bytes_;
  bool ok_ = true;
};

absl::StatusOr<std::string> ParseServerName(absl::string_view extension) {
  Reader reader(extension);
  Reader list(reader.Vector(2));
  size_t type = list.Number(1);
  absl::string_view name = list.Vector(2);
  bool whole = reader.ok() && reader.done() && list.ok();
  if (!whole || type != kHostName || name.empty()) return Malformed("server_name");
  if (!list.done()) return Malformed("several server names");
  return std::string(name);
}

}  // namespace

absl::StatusOr<ClientHello> ParseClientHello(absl::string_view body) {
  Reader reader(body);
  ClientHello hello;
  reader.Number(2);  // legacy_version
  reader.Take(kRandom);
  absl::string_view session_id = reader.Vector(1);
  absl::string_view ciphers = reader.Vector(2);
  absl::string_view compressions = reader.Vector(1);
  if (!reader.ok() || session_id.size() > kMaxSessionId || ciphers.size() < 2 ||
      ciphers.size() % 2 != 0 || compressions.empty()) {
    return Malformed("its fixed part");
  }
  if (reader.done()) return hello;  // Before extensions were invented.
  Reader extensions(reader.Vector(2));
  if (!reader.ok() || !reader.done()) return Malformed("its extensions' length");
  absl::flat_hash_set<size_t> seen;
  while (!extensions.done()) {
    size_t type = extensions.Number(2);
    absl::string_view data = extensions.Vector(2);
    if (!extensions.ok()) return Malformed("an extension");
    if (!seen.insert(type).second) return Malformed("an extension that is there twice");
    if (type == kEncryptedClientHello || type == kEncryptedServerName) {
      hello.encrypted_client_hello = true;
    }
    if (type == kServerName) {
      PADDOCK_ASSIGN_OR_RETURN(hello.server_name, ParseServerName(data));
    }
  }
  return hello;
}

}  // namespace paddock::nodeagent
