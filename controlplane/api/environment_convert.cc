#include "controlplane/api/environment_convert.h"

#include "common/proto_time.h"
#include "controlplane/api/request_convert.h"

namespace paddock {
namespace {

void AddAll(const std::vector<std::string>& from, ProtoStrings* to) {
  to->Add(from.begin(), from.end());
}

v1::Packages ToProto(const Packages& packages) {
  v1::Packages proto;
  AddAll(packages.apt, proto.mutable_apt());
  AddAll(packages.cargo, proto.mutable_cargo());
  AddAll(packages.gem, proto.mutable_gem());
  AddAll(packages.go, proto.mutable_go());
  AddAll(packages.npm, proto.mutable_npm());
  AddAll(packages.pip, proto.mutable_pip());
  return proto;
}

v1::Networking ToProto(const Networking& networking) {
  v1::Networking proto;
  if (const auto* limited = std::get_if<LimitedNetwork>(&networking)) {
    AddAll(limited->allowed_hosts, proto.mutable_limited()->mutable_allowed_hosts());
    proto.mutable_limited()->set_allow_mcp_servers(limited->allow_mcp_servers);
    proto.mutable_limited()->set_allow_package_managers(limited->allow_package_managers);
  } else {
    proto.mutable_unrestricted();
  }
  return proto;
}

v1::ImageState ToProto(ImageState state) {
  switch (state) {
    case ImageState::kPending:
      return v1::IMAGE_STATE_PENDING;
    case ImageState::kBuilding:
      return v1::IMAGE_STATE_BUILDING;
    case ImageState::kReady:
      return v1::IMAGE_STATE_READY;
    case ImageState::kFailed:
      return v1::IMAGE_STATE_FAILED;
  }
  return v1::IMAGE_STATE_UNSPECIFIED;
}

v1::EnvironmentImage ToProto(const EnvironmentImage& image) {
  v1::EnvironmentImage proto;
  proto.set_state(ToProto(image.state));
  proto.set_digest(image.digest);
  proto.set_size_bytes(image.size_bytes);
  for (const ImageLayer& layer : image.layers) {
    v1::ImageLayer* added = proto.add_layers();
    added->set_manager(layer.manager);
    added->set_digest(layer.digest);
    added->set_size_bytes(layer.size_bytes);
    *added->mutable_built_at() = ToTimestamp(layer.built_at);
    *added->mutable_build_duration() = ToProtoDuration(layer.build_duration);
    added->set_toolchain(layer.toolchain);
  }
  if (image.failure.has_value()) {
    proto.mutable_failure()->set_manager(image.failure->manager);
    proto.mutable_failure()->set_package(image.failure->package);
    proto.mutable_failure()->set_exit_code(image.failure->exit_code);
    proto.mutable_failure()->set_log_tail(image.failure->log_tail);
    proto.mutable_failure()->set_reason(image.failure->reason);
    proto.mutable_failure()->set_message(image.failure->message);
  }
  if (image.building_since.has_value()) {
    proto.set_building_manager(image.building_manager);
    *proto.mutable_building_since() = ToTimestamp(*image.building_since);
  }
  return proto;
}

}  // namespace

v1::EnvironmentConfig ToProto(const EnvironmentConfig& config) {
  v1::EnvironmentConfig proto;
  if (const auto* cloud = std::get_if<CloudConfig>(&config)) {
    *proto.mutable_cloud()->mutable_packages() = ToProto(cloud->packages);
    *proto.mutable_cloud()->mutable_networking() = ToProto(cloud->networking);
  } else {
    proto.mutable_self_hosted();
  }
  return proto;
}

v1::Environment ToProto(const Environment& environment) {
  v1::Environment proto;
  proto.set_id(environment.id.value());
  proto.set_name(environment.name);
  proto.set_description(environment.description.value_or(""));
  *proto.mutable_metadata() = ToProtoMap(environment.metadata);
  *proto.mutable_config() = ToProto(environment.config);
  *proto.mutable_image() = ToProto(environment.image);
  proto.set_revision(environment.revision);
  *proto.mutable_created_at() = ToTimestamp(environment.created_at);
  *proto.mutable_updated_at() = ToTimestamp(environment.updated_at);
  if (environment.archived_at) *proto.mutable_archived_at() = ToTimestamp(*environment.archived_at);
  return proto;
}

}  // namespace paddock
