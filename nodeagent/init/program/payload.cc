#include "nodeagent/init/program/payload.h"

#include <stdlib.h>
#include <string.h>

#include "nodeagent/init/protocol.h"

namespace paddock::nodeagent::program {
namespace {

// Takes NUL-terminated strings off the front of a buffer.
class StringRun {
 public:
  StringRun(char* data, size_t size) : next_(data), left_(size) {}
  char* Take() {
    char* end = static_cast<char*>(memchr(next_, '\0', left_));
    if (left_ == 0 || end == nullptr) return nullptr;
    char* taken = next_;
    left_ -= static_cast<size_t>(end + 1 - next_);
    next_ = end + 1;
    return taken;
  }
  // A NULL-terminated list of `count` strings, allocated.
  char** TakeList(uint32_t count) {
    char** list = static_cast<char**>(calloc(count + size_t{1}, sizeof(char*)));
    if (list == nullptr) return nullptr;
    for (uint32_t i = 0; i < count; ++i) {
      list[i] = Take();
      if (list[i] == nullptr) {
        free(list);
        return nullptr;
      }
    }
    return list;
  }
  bool AtEnd() const { return left_ == 0; }

 private:
  char* next_;
  size_t left_;
};

}  // namespace

bool ParsePayload(char* data, size_t size, uint32_t argument_count, uint32_t environment_count,
                  Payload* payload) {
  if (argument_count == 0 || argument_count > init_protocol::kMaxArguments ||
      environment_count > init_protocol::kMaxEnvironment) {
    return false;
  }
  StringRun run(data, size);
  payload->user = run.Take();
  payload->directory = run.Take();
  if (payload->user == nullptr || payload->directory == nullptr) return false;
  payload->arguments = run.TakeList(argument_count);
  if (payload->arguments == nullptr) return false;
  payload->environment = run.TakeList(environment_count);
  if (payload->environment == nullptr || !run.AtEnd()) {
    free(payload->arguments);
    free(payload->environment);
    return false;
  }
  return true;
}

}  // namespace paddock::nodeagent::program
