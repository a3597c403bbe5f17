#pragma once

#include "controlplane/core/agent_store.h"
#include "controlplane/core/api_key_store.h"
#include "controlplane/core/change_store.h"
#include "controlplane/core/environment_store.h"
#include "controlplane/core/fleet_store.h"
#include "controlplane/core/image_store.h"
#include "controlplane/core/node_store.h"
#include "controlplane/core/session_store.h"

namespace paddock {

// Every store; whoever hands it out owns them.
struct Stores {
  EnvironmentStore* environments = nullptr;
  AgentStore* agents = nullptr;
  ApiKeyStore* api_keys = nullptr;
  SessionStore* sessions = nullptr;
  NodeStore* nodes = nullptr;
  FleetStore* fleet = nullptr;
  ChangeStore* changes = nullptr;
  ImageStore* images = nullptr;
};

}  // namespace paddock
