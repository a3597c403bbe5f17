#include "nodeagent/egress/connection_table.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/status_macros.h"
#include "nodeagent/system/errno_status.h"
#include "nodeagent/system/file.h"

namespace paddock::nodeagent {
namespace {

constexpr size_t kMaxFile = 64 << 20;
constexpr uint16_t kUsed = 0x5043;

// As it stands in the file; what isn't kUsed is free.
struct Record {
  uint16_t used;
  uint16_t port;
  uint32_t session_address;
  uint32_t name_address;
  uint32_t dialed;
  int64_t bytes_sent;
  int64_t bytes_received;
};
static_assert(sizeof(Record) == 32);

}  // namespace

absl::StatusOr<ConnectionTable> ConnectionTable::Open(const std::string& path,
                                                      std::vector<Entry>* left) {
  absl::StatusOr<std::string> text = ReadFile(path, kMaxFile);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  absl::string_view rest = text.ok() ? absl::string_view(*text) : absl::string_view();
  for (; rest.size() >= sizeof(Record); rest.remove_prefix(sizeof(Record))) {
    Record record;
    memcpy(&record, rest.data(), sizeof(record));
    if (record.used != kUsed) continue;
    left->push_back({record.session_address, record.name_address, record.dialed, record.port,
                     record.bytes_sent, record.bytes_received});
  }
  UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(absl::StrCat("opening ", path));
  return ConnectionTable(std::move(file));
}

int ConnectionTable::Add(const Entry& entry) {
  int slot = free_.empty() ? next_ : free_.back();
  if (!Write(slot, &entry)) return kNone;
  if (free_.empty()) {
    ++next_;
  } else {
    free_.pop_back();
  }
  return slot;
}

void ConnectionTable::Update(int slot, const Entry& entry) {
  if (slot != kNone) Write(slot, &entry);
}

void ConnectionTable::Remove(int slot) {
  // One that can't be freed in the file is told as cut when it wasn't; better than the reverse.
  if (slot != kNone && Write(slot, nullptr)) free_.push_back(slot);
}

bool ConnectionTable::Write(int slot, const Entry* entry) const {
  Record record = {};
  if (entry != nullptr) {
    record = {kUsed,
              static_cast<uint16_t>(entry->port),
              entry->session_address,
              entry->name_address,
              entry->dialed,
              entry->bytes_sent,
              entry->bytes_received};
  }
  off_t offset = static_cast<off_t>(slot) * static_cast<off_t>(sizeof(record));
  return pwrite(file_.get(), &record, sizeof(record), offset) == sizeof(record);
}

}  // namespace paddock::nodeagent
