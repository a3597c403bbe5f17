#include "nodeagent/init/program/user_database.h"

#include <stdint.h>
#include <string.h>

#include "nodeagent/init/program/line_reader.h"

namespace paddock::nodeagent::program {
namespace {

constexpr int kMaxFields = 7;

// Splits `line` at ':' in place; returns the number of fields, at most kMaxFields.
int Split(char* line, char* fields[kMaxFields]) {
  int count = 0;
  while (count < kMaxFields) {
    fields[count++] = line;
    line = strchr(line, ':');
    if (line == nullptr) break;
    *line++ = '\0';
  }
  return count;
}

// Decimal digits only. The highest value is left out: it means "no id" to the kernel.
bool ParseId(const char* text, uint32_t* id) {
  uint64_t value = 0;
  if (*text == '\0') return false;
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9') return false;
    value = value * 10 + static_cast<uint64_t>(*text - '0');
    if (value >= UINT32_MAX) return false;
  }
  *id = static_cast<uint32_t>(value);
  return true;
}

// False when it doesn't fit; `to` is then unchanged.
bool CopyText(const char* from, char* to, size_t size) {
  size_t length = strlen(from);
  if (length >= size) return false;
  memcpy(to, from, length + 1);
  return true;
}

void AddGroup(gid_t gid, User* user) {
  for (size_t i = 0; i < user->group_count; ++i) {
    if (user->groups[i] == gid) return;
  }
  if (user->group_count < kMaxGroups) user->groups[user->group_count++] = gid;
}

bool IsMember(char* members, const char* name) {
  while (members != nullptr && *members != '\0') {
    char* comma = strchr(members, ',');
    if (comma != nullptr) *comma++ = '\0';
    if (strcmp(members, name) == 0) return true;
    members = comma;
  }
  return false;
}

// Fills in `user` from the entry of `wanted`; a name goes before a number.
bool FindUser(const char* wanted, const char* path, User* user) {
  uint32_t wanted_uid = 0;
  bool numeric = ParseId(wanted, &wanted_uid);
  bool found = false;
  LineReader reader(path);
  while (char* line = reader.Next()) {
    char* fields[kMaxFields];
    uint32_t uid, gid;
    if (Split(line, fields) < 6 || !ParseId(fields[2], &uid) || !ParseId(fields[3], &gid)) continue;
    bool by_name = strcmp(fields[0], wanted) == 0;
    if (!by_name && (found || !numeric || uid != wanted_uid)) continue;
    if (!CopyText(fields[0], user->name, sizeof(user->name))) continue;
    if (fields[5][0] == '\0' || !CopyText(fields[5], user->home, sizeof(user->home))) {
      strcpy(user->home, "/");
    }
    user->uid = uid;
    user->gid = gid;
    found = true;
    if (by_name) break;
  }
  if (found || !numeric) return found;
  user->uid = wanted_uid;
  user->gid = 0;
  CopyText(wanted_uid == 0 ? "root" : wanted, user->name, sizeof(user->name));
  strcpy(user->home, wanted_uid == 0 ? "/root" : "/");
  return true;
}

bool FindGroup(const char* wanted, const char* path, gid_t* gid) {
  uint32_t wanted_gid = 0;
  bool numeric = ParseId(wanted, &wanted_gid);
  LineReader reader(path);
  while (char* line = reader.Next()) {
    char* fields[kMaxFields];
    uint32_t value;
    if (Split(line, fields) < 3 || strcmp(fields[0], wanted) != 0) continue;
    if (!ParseId(fields[2], &value)) continue;
    *gid = value;
    return true;
  }
  *gid = wanted_gid;
  return numeric;
}

void AddGroupsOf(const char* path, User* user) {
  LineReader reader(path);
  while (char* line = reader.Next()) {
    char* fields[kMaxFields];
    uint32_t gid;
    if (Split(line, fields) < 4 || !ParseId(fields[2], &gid)) continue;
    if (IsMember(fields[3], user->name)) AddGroup(gid, user);
  }
}

}  // namespace

LookUpResult LookUpUser(const char* spec, const char* passwd_path, const char* group_path,
                        User* user) {
  memset(user, 0, sizeof(*user));
  char name[sizeof(user->name)];
  const char* colon = strchr(spec, ':');
  size_t length = colon != nullptr ? static_cast<size_t>(colon - spec) : strlen(spec);
  if (length >= sizeof(name)) return LookUpResult::kNoSuchUser;
  memcpy(name, spec, length);
  name[length] = '\0';
  if (!FindUser(length == 0 ? "0" : name, passwd_path, user)) return LookUpResult::kNoSuchUser;
  bool group_given = colon != nullptr && colon[1] != '\0';
  if (group_given && !FindGroup(colon + 1, group_path, &user->gid)) {
    return LookUpResult::kNoSuchGroup;
  }
  AddGroup(user->gid, user);
  if (!group_given) AddGroupsOf(group_path, user);
  return LookUpResult::kFound;
}

}  // namespace paddock::nodeagent::program
