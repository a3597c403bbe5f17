#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the calling function when `expr` (an absl::Status) isn't OK.
#define PADDOCK_RETURN_IF_ERROR(expr)                                                         \
  do {                                                                                        \
    if (absl::Status _paddock_status = (expr); !_paddock_status.ok()) return _paddock_status; \
  } while (false)

#define PADDOCK_CONCAT_INNER_(a, b) a##b
#define PADDOCK_CONCAT_(a, b) PADDOCK_CONCAT_INNER_(a, b)

// Assigns the value of `expr` (an absl::StatusOr) to `lhs`, or returns its error. `lhs` may
// declare.
#define PADDOCK_ASSIGN_OR_RETURN(lhs, expr) \
  PADDOCK_ASSIGN_OR_RETURN_IMPL_(PADDOCK_CONCAT_(_paddock_statusor_, __LINE__), lhs, expr)
#define PADDOCK_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                   \
  if (!tmp.ok()) return std::move(tmp).status();       \
  lhs = *std::move(tmp)
