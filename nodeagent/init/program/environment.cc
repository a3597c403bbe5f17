#include "nodeagent/init/program/environment.h"

#include <stdlib.h>
#include <string.h>

namespace paddock::nodeagent::program {
namespace {

size_t NameLength(const char* variable) { return strcspn(variable, "="); }

bool SameName(const char* a, const char* b) {
  size_t length = NameLength(a);
  return length == NameLength(b) && memcmp(a, b, length) == 0;
}

// A list that keeps one entry a name, the last one set.
class VariableList {
 public:
  explicit VariableList(char** storage) : list_(storage) {}
  void Set(char* variable) {
    for (size_t i = 0; i < size_; ++i) {
      if (SameName(list_[i], variable)) {
        list_[i] = variable;
        return;
      }
    }
    list_[size_++] = variable;
  }
  bool Has(const char* variable) const {
    for (size_t i = 0; i < size_; ++i) {
      if (SameName(list_[i], variable)) return true;
    }
    return false;
  }

 private:
  char** list_;
  size_t size_ = 0;
};

// "NAME=value", allocated.
char* Join(const char* name, const char* value) {
  size_t name_length = strlen(name), value_length = strlen(value);
  char* joined = static_cast<char*>(malloc(name_length + value_length + 2));
  if (joined == nullptr) return nullptr;
  memcpy(joined, name, name_length);
  joined[name_length] = '=';
  memcpy(joined + name_length + 1, value, value_length + 1);
  return joined;
}

}  // namespace

const char* FindVariable(char* const* environment, const char* name) {
  size_t length = strlen(name);
  for (; *environment != nullptr; ++environment) {
    if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') {
      return *environment + length + 1;
    }
  }
  return nullptr;
}

char** BuildEnvironment(char* const* own, char* const* requested, uint32_t count, const User& user,
                        bool terminal) {
  size_t own_count = 0;
  while (own[own_count] != nullptr) ++own_count;
  constexpr size_t kAdded = 5;  // HOME, USER, LOGNAME, TERM and the end
  char** storage = static_cast<char**>(calloc(own_count + count + kAdded, sizeof(char*)));
  char* home = Join("HOME", user.home);
  char* name = Join("USER", user.name);
  char* login_name = Join("LOGNAME", user.name);
  if (!storage || !home || !name || !login_name) return nullptr;
  VariableList list(storage);
  for (size_t i = 0; i < own_count; ++i) list.Set(own[i]);
  list.Set(home);
  list.Set(name);
  list.Set(login_name);
  for (uint32_t i = 0; i < count; ++i) list.Set(requested[i]);
  static char terminal_type[] = "TERM=xterm";
  if (terminal && !list.Has(terminal_type)) list.Set(terminal_type);
  return storage;
}

}  // namespace paddock::nodeagent::program
