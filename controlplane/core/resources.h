// The control plane's resources as plain values. Ids of other tenants never appear in them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "common/ids.h"
#include "common/session_phase.h"
#include "nlohmann/json.hpp"

namespace paddock {

using ApiKeyId = StrongId<struct ApiKeyIdTag>;

// Who owns a resource: one workspace of one organization. Part of every query.
struct Tenant {
  std::string organization;
  std::string workspace;
  friend bool operator==(const Tenant& a, const Tenant& b) {
    return a.organization == b.organization && a.workspace == b.workspace;
  }
};

// Who is calling.
struct Principal {
  Tenant tenant;
  ApiKeyId api_key_id;
  bool admin = false;
};

using Metadata = std::map<std::string, std::string>;

// ---- Environments

// Specs in each manager's own syntax; managers run in the order of the fields.
struct Packages {
  std::vector<std::string> apt;
  std::vector<std::string> cargo;
  std::vector<std::string> gem;
  std::vector<std::string> go;
  std::vector<std::string> npm;
  std::vector<std::string> pip;
  bool empty() const {
    return apt.empty() && cargo.empty() && gem.empty() && go.empty() && npm.empty() && pip.empty();
  }
  friend bool operator==(const Packages& a, const Packages& b) {
    return a.apt == b.apt && a.cargo == b.cargo && a.gem == b.gem && a.go == b.go &&
           a.npm == b.npm && a.pip == b.pip;
  }
};

struct UnrestrictedNetwork {
  friend bool operator==(const UnrestrictedNetwork&, const UnrestrictedNetwork&) { return true; }
};

struct LimitedNetwork {
  std::vector<std::string> allowed_hosts;  // Lower-case A-labels, `*.` allowed in front.
  bool allow_mcp_servers = false;
  bool allow_package_managers = false;
  friend bool operator==(const LimitedNetwork& a, const LimitedNetwork& b) {
    return a.allowed_hosts == b.allowed_hosts && a.allow_mcp_servers == b.allow_mcp_servers &&
           a.allow_package_managers == b.allow_package_managers;
  }
};

using Networking = std::variant<UnrestrictedNetwork, LimitedNetwork>;

struct CloudConfig {
  Packages packages;
  Networking networking;
  friend bool operator==(const CloudConfig& a, const CloudConfig& b) {
    return a.packages == b.packages && a.networking == b.networking;
  }
};

struct SelfHostedConfig {
  friend bool operator==(const SelfHostedConfig&, const SelfHostedConfig&) { return true; }
};

// The effective configuration; its alternative never changes for one environment.
using EnvironmentConfig = std::variant<CloudConfig, SelfHostedConfig>;

enum class ImageState { kPending = 1, kBuilding = 2, kReady = 3, kFailed = 4 };

struct ImageLayer {
  std::string manager;
  std::string digest;
  int64_t size_bytes = 0;
  absl::Time built_at;
  absl::Duration build_duration;
  bool toolchain = false;  // Holds the manager itself, which the base image lacks.
};

struct ImageFailure {
  std::string manager;
  std::string package;
  int exit_code = 0;
  std::string log_tail;
  std::string reason;  // Stable, upper case.
  std::string message;
};

// One attempt to build a layer that an image waited for. Its log is kept under `build_id`.
struct BuildReference {
  std::string build_id;
  std::string manager;
};

struct EnvironmentImage {
  ImageState state = ImageState::kReady;
  std::string digest;  // Of the top layer; empty: the node's base image, or not READY yet.
  int64_t size_bytes = 0;
  std::vector<ImageLayer> layers;
  std::optional<ImageFailure> failure;
  // While BUILDING.
  std::string building_manager;
  std::optional<absl::Time> building_since;
  // Rises whenever the image is to be made anew; whatever was under way before counts no more.
  int64_t generation = 0;
  // Part of the cache keys; another one looks up unpinned versions again.
  int64_t refresh_epoch = 0;
  // Of this generation, in the order of their starts.
  std::vector<BuildReference> builds;
};

// Whether somebody has to go on with it.
inline bool IsUnsettled(const EnvironmentImage& image) {
  return image.state == ImageState::kPending || image.state == ImageState::kBuilding;
}

struct Environment {
  EnvironmentId id;
  Tenant tenant;
  std::string name;
  std::optional<std::string> description;  // Null apart from "".
  Metadata metadata;
  EnvironmentConfig config;
  EnvironmentImage image;
  int64_t revision = 0;  // Set by the store: rises under the row's lock.
  absl::Time created_at;
  absl::Time updated_at;
  std::optional<absl::Time> archived_at;
};

// ---- Agents

struct McpServer {
  std::string name;
  std::string url;
  friend bool operator==(const McpServer& a, const McpServer& b) {
    return a.name == b.name && a.url == b.url;
  }
};

// One version of an agent.
struct Agent {
  AgentId id;
  Tenant tenant;
  int64_t version = 0;  // 1 at first.
  std::string name;
  std::optional<std::string> description;
  nlohmann::json model;  // A string or an object, as it was given.
  std::optional<std::string> system;
  std::vector<McpServer> mcp_servers;
  std::vector<nlohmann::json> tools;   // Objects.
  std::vector<nlohmann::json> skills;  // Objects.
  Metadata metadata;
  // Further fields of the resource that are stored and answered, never read.
  nlohmann::json rest = nlohmann::json::object();
  absl::Time created_at;
  absl::Time updated_at;
  std::optional<absl::Time> archived_at;
};

// An agent as a session took it: one version with the session's overrides applied.
using AgentSnapshot = Agent;

// What one session changes of its agent; what is given replaces.
struct AgentOverrides {
  std::optional<nlohmann::json> model;
  std::optional<std::optional<std::string>> system;  // Inner null clears.
  std::optional<std::vector<McpServer>> mcp_servers;
  std::optional<std::vector<nlohmann::json>> tools;
  std::optional<std::vector<nlohmann::json>> skills;
};

// ---- Sessions

struct ComputeLimits {
  int64_t cpu_millis = 0;
  int64_t memory_bytes = 0;
  int64_t disk_bytes = 0;
  int64_t pids = 0;
};

struct ComputeRequests {
  int64_t cpu_millis = 0;
  int64_t memory_bytes = 0;
  int64_t disk_bytes = 0;
};

// In a stored session every number is effective; in a request 0 stands for the default.
struct Compute {
  ComputeLimits limits;
  ComputeRequests requests;
  std::string runtime_class;  // Empty: the node's default.
  std::map<std::string, std::string> node_labels;
};

enum class OnNodeLoss { kKeep = 1, kReschedule = 2 };

struct Session {
  SessionId id;
  Tenant tenant;
  std::optional<AgentSnapshot> agent;
  EnvironmentId environment_id;
  std::optional<std::string> title;
  Metadata metadata;
  EnvironmentConfig config;  // As it was at creation.
  std::string image_digest;  // Pinned at creation; empty: the node's base image.
  Compute compute;
  SessionPhase state = SessionPhase::kPending;
  std::string reason;   // Stable, upper case; empty when there is nothing to say.
  std::string message;  // For people.
  int64_t revision = 0;
  OnNodeLoss on_node_loss = OnNodeLoss::kKeep;
  NodeId node_id;               // Empty until it is placed.
  bool node_reachable = false;  // Computed when it is read.
  int64_t generation = 0;       // 0 until it is placed.
  std::optional<int> exit_code;
  absl::Time created_at;
  absl::Time updated_at;
  std::optional<absl::Time> started_at;
  std::optional<absl::Time> ended_at;
  std::optional<absl::Time> archived_at;
};

// A host with one TCP port.
struct HostPort {
  std::string host;
  int port = 0;
  friend bool operator==(const HostPort& a, const HostPort& b) {
    return a.host == b.host && a.port == b.port;
  }
};

// The network policy that a node enforces for a session.
struct NetworkPolicy {
  bool limited = false;
  // Meaningful when limited.
  std::vector<std::string> hosts;       // Any TCP port.
  bool allow_package_managers = false;  // The registries that the image's layers name.
  std::vector<HostPort> host_ports;     // The MCP servers of the session's agent.
};

// What an agent needs to run one generation of a session; never changes for that generation.
struct SessionSpec {
  SessionId session_id;
  int64_t generation = 0;
  Tenant tenant;
  std::string image_digest;
  ComputeLimits limits;
  std::string runtime_class;
  OnNodeLoss on_node_loss = OnNodeLoss::kKeep;
  NetworkPolicy network;
  bool keep_volume = false;  // Start from the volume that is there.
};

// Ends a session up to and including `generation`.
struct SessionStop {
  SessionId session_id;
  int64_t generation = 0;
  std::string reason;  // For people: DELETED, ARCHIVED, NODE_DRAINED, …
};

// What an agent says about one of its sessions. `state` is kStarting, kRunning, kStopping or
// kTerminated.
struct SessionStatus {
  SessionId session_id;
  int64_t generation = 0;
  SessionPhase state = SessionPhase::kStarting;
  std::string reason;
  std::string message;
  std::optional<int> exit_code;
  int signal = 0;
  std::optional<absl::Time> started_at;
  std::optional<absl::Time> ended_at;
  std::map<std::string, absl::Duration> step_durations;
};

// ---- Nodes

struct NodeResources {
  int64_t cpu_millis = 0;
  int64_t memory_bytes = 0;
  int64_t disk_bytes = 0;
  int64_t sessions = 0;
};

enum class NodeState { kReady = 1, kNotReady = 2, kLost = 3 };

struct Node {
  NodeId id;
  std::string name;
  std::string address;  // host:port of its agent.
  // Both computed when it is read, from the age of the last heartbeat.
  NodeState state = NodeState::kNotReady;
  std::string state_reason;
  std::string not_schedulable_reason;  // As the node says; empty: it takes work.
  bool avoided = false;                // See NodeView::Avoid. Never stored.
  bool cordoned = false;
  bool draining = false;
  std::optional<absl::Time> drain_deadline;
  NodeResources capacity;
  NodeResources used;
  std::map<std::string, std::string> labels;
  std::vector<std::string> runtime_classes;
  std::vector<std::string> images;
  std::string base_image;
  std::map<std::string, std::string> details;
  std::string epoch;
  std::string boot_id;
  int64_t revision = 0;           // Of its desired state.
  int64_t heartbeat_counter = 0;  // Rises with each heartbeat that was written.
  absl::Duration silent_for = absl::InfiniteDuration();  // By the database's clock.
  std::optional<absl::Time> last_heartbeat_at;
  absl::Time created_at;
};

// ---- API keys

// Never holds the secret; the store keeps its hash.
struct ApiKey {
  ApiKeyId id;
  Tenant tenant;
  std::string name;
  bool admin = false;
  absl::Time created_at;
  std::optional<absl::Time> revoked_at;
};

}  // namespace paddock
