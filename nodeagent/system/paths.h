#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace paddock::nodeagent {

// The on-disk tree of one node agent, drawn once:
//
//   <state>/                          --state_dir, root only
//     node.json                       node id, made at the first start
//     gateway/                        the gateway process: its socket, lock, table and log
//       gateway.sock  gateway.json  gateway.pid  router.netns (a bind mount of the router
//       namespace)
//     sessions/<session id>/          one session; its owner is the session manager
//       session.json                  specification, generation, phase, what the steps made
//       init.sock                     listening socket of the sandbox's PID 1
//       bundle/config.json            what the OCI runtime reads
//       runtime/                      the OCI runtime's own --root for this session
//       etc/                          resolv.conf, hosts, hostname that are mounted into the
//       sandbox
//     egress/<session id>.json        what the network policy of an ended session let through
//     tombstones.json                 highest generation that was seen or stopped, by session
//   <volumes>/                        a file system with quotas (see image/volume_store.h)
//     sessions/<session id>/          the session's subvolume: upper/ and work/ of its overlay
//     layers/<digest>/                read-only layers, shared by all sessions; rootfs/ and
//     manifest.json
class Paths {
 public:
  Paths(std::string state_dir, std::string volumes_dir)
      : state_(std::move(state_dir)), volumes_(std::move(volumes_dir)) {}

  const std::string& state() const { return state_; }
  const std::string& volumes() const { return volumes_; }
  std::string NodeFile() const { return absl::StrCat(state_, "/node.json"); }
  std::string EgressDir() const { return absl::StrCat(state_, "/egress"); }
  std::string TombstonesFile() const { return absl::StrCat(state_, "/tombstones.json"); }
  std::string GatewayDir() const { return absl::StrCat(state_, "/gateway"); }
  std::string SessionsDir() const { return absl::StrCat(state_, "/sessions"); }
  std::string SessionDir(absl::string_view id) const {
    return absl::StrCat(state_, "/sessions/", id);
  }
  std::string SessionFile(absl::string_view id) const {
    return absl::StrCat(SessionDir(id), "/session.json");
  }
  std::string InitSocket(absl::string_view id) const {
    return absl::StrCat(SessionDir(id), "/init.sock");
  }
  std::string BundleDir(absl::string_view id) const {
    return absl::StrCat(SessionDir(id), "/bundle");
  }
  std::string RuntimeRoot(absl::string_view id) const {
    return absl::StrCat(SessionDir(id), "/runtime");
  }
  std::string EtcDir(absl::string_view id) const { return absl::StrCat(SessionDir(id), "/etc"); }
  std::string LayersDir() const { return absl::StrCat(volumes_, "/layers"); }
  std::string LayerDir(absl::string_view digest) const {
    return absl::StrCat(volumes_, "/layers/", digest);
  }
  std::string SessionVolumesDir() const { return absl::StrCat(volumes_, "/sessions"); }
  std::string SessionVolume(absl::string_view id) const {
    return absl::StrCat(volumes_, "/sessions/", id);
  }

 private:
  std::string state_;
  std::string volumes_;
};

}  // namespace paddock::nodeagent
