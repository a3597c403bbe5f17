// How environment rows are read, for the stores that do. Pure.
#pragma once

#include <pqxx/pqxx>

#include "controlplane/core/resources.h"

namespace paddock {

// The columns that ReadEnvironment reads, of `environments`.
#define PADDOCK_ENVIRONMENT_COLUMNS                                                     \
  "id, organization, workspace, name, description, metadata, config, image, revision, " \
  "created_at, updated_at, archived_at"

Environment ReadEnvironment(const pqxx::row& row);

}  // namespace paddock
