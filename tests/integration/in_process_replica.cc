#include "tests/integration/in_process_replica.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tests/integration/postgres_fixture.h"

namespace paddock::testing {
namespace {

template <typename T>
T Require(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "can't start: %s\n", value.status().ToString().c_str());
  abort();
}

}  // namespace

InProcessReplica::InProcessReplica(const Options& options)
    : handler_pool_("handlers", options.handler_threads, options.handler_queue) {
  const InProcessReplica* beside = options.beside;
  certificates_ = beside != nullptr ? beside->certificates_ : std::make_shared<TestCertificates>();
  database_url_ = beside != nullptr ? beside->database_url_
                                    : Require(PostgresServer::Shared().CreateDatabase());
  PoolOptions pool;
  pool.url = database_url_;
  database_ = Require(Database::Open(pool, options.settings));
  identity_ =
      Require(TlsIdentity::Load(certificates_->Issue("control-plane", {kControlPlaneRole})));
  channels_ = std::make_unique<NodeChannels>(identity_);
  node_client_ = std::make_unique<RpcNodeClient>(channels_.get());
  ControlPlane::Deps core;
  core.stores = database_->stores();
  core.client = node_client_.get();
  core.executor = &executor_;
  core.timers = &core_timers_;
  core.registry = registry_.get();
  control_plane_ = std::make_unique<ControlPlane>(core, options.settings);
  authenticator_ = std::make_unique<Authenticator>(core.stores.api_keys, Clock::Real());

  PublicServer::Deps api;
  api.authenticator = authenticator_.get();
  api.pool = &handler_pool_;
  api.timers = &timers_;
  api.metrics = &metrics_;
  api.environments = control_plane_->environments();
  api.environment_feeds = control_plane_->environment_feeds();
  api.agents = control_plane_->agents();
  api.sessions = control_plane_->sessions();
  api.nodes = control_plane_->nodes();
  api.api_keys = control_plane_->api_keys();
  api.node_stubs = [this](const NodeTarget& node) { return channels_->For(node); };
  const TlsFiles server_files = certificates_->Issue("server");
  const auto server_identity = Require(TlsIdentity::Load(server_files));
  public_server_ =
      Require(PublicServer::Start(api, "127.0.0.1:0", server_identity->PublicServer()));

  HttpServer::Options http;
  http.listen = "127.0.0.1:0";
  http.certificate_file = server_files.cert;
  http.key_file = server_files.key;
  http.limits = options.http;
  RestServer::Deps rest;
  rest.authenticator = authenticator_.get();
  rest.pool = &handler_pool_;
  rest.metrics = &metrics_;
  rest.environments = control_plane_->environments();
  rest.agents = control_plane_->agents();
  rest.sessions = control_plane_->sessions();
  rest_server_ = Require(RestServer::Start(rest, http));

  registry_service_ = std::make_unique<NodeRegistryService>(control_plane_->node_registry(),
                                                            &registry_pool_, &metrics_);
  GrpcServerOptions internal;
  internal.listen = "127.0.0.1:0";
  internal.credentials = identity_->MutualServer();
  internal.services = {registry_service_.get()};
  internal_server_ = Require(GrpcServer::Start(internal));
  control_plane_->Start();

  database_monitor_ = std::make_unique<DatabaseMonitor>(database_->pool(), [this](bool is_ready) {
    public_server_->SetReady(is_ready);
    rest_server_->SetReady(is_ready);
    if (is_ready && !answers_.HasBeenNotified()) answers_.Notify();
  });
  answers_.WaitForNotification();
}

InProcessReplica::~InProcessReplica() {
  database_monitor_.reset();
  rest_server_.reset();
  public_server_.reset();
  control_plane_->StopReconciling();
  internal_server_.reset();
  handler_pool_.Join();
  registry_pool_.Join();
  timers_.Stop();
  node_client_->Shutdown();
  core_pool_.Join();
  control_plane_.reset();
}

std::string InProcessReplica::NewKey(const std::string& workspace, bool admin) {
  Principal administrator;
  administrator.admin = true;
  return Require(
             control_plane_->api_keys()->Create(administrator, {{"org", workspace}, "test", admin}))
      .secret;
}

Endpoint InProcessReplica::EndpointFor(const std::string& api_key) {
  Endpoint endpoint;
  endpoint.address = absl::StrCat("127.0.0.1:", public_server_->port());
  endpoint.ca_file = certificates_->ca_file();
  endpoint.api_key = api_key;
  return endpoint;
}

PaddockClient InProcessReplica::Client(const std::string& workspace, bool admin) {
  return PaddockClient(EndpointFor(NewKey(workspace, admin)));
}

}  // namespace paddock::testing
