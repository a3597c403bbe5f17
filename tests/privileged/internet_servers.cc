#include "tests/privileged/internet_servers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nodeagent/system/file.h"
#include "nodeagent/system/subprocess.h"

namespace paddock::nodeagent {
namespace {

constexpr const char* kJournals[] = {"dns", "web", "stream"};

std::string Program(const char* name) {
  return absl::StrCat(PADDOCK_INTERNET_PROGRAMS, "/", name, ".py");
}

}  // namespace

InternetServers::InternetServers(PretendInternet* internet, const std::string& directory)
    : internet_(internet), directory_(directory) {
  EXPECT_TRUE(MakeDirectories(WebRoot()).ok());
  for (const char* address : {kForeignResolver, kWeb, kEvil, kHttp2, kWeb6, kEvil6,
                              PretendInternet::kMetadata6, "198.51.100.98"}) {
    internet_->AddAddress(address);
  }
  MakeCertificates();
  WriteZone();
  const std::string journal = absl::StrCat("--journal=", directory_, "/");
  Start("dns", {Program("dns_server"), absl::StrCat("--zone=", directory_, "/zone.json"),
                journal + "dns.journal", kResolver, kForeignResolver});
  Start("web", {Program("web_server"), absl::StrCat("--certificate=", directory_, "/server.pem"),
                absl::StrCat("--root=", WebRoot()), journal + "web.journal", kWeb, kEvil, kWeb6,
                kEvil6, kForeignResolver, PretendInternet::kMetadata, PretendInternet::kMetadata6,
                PretendInternet::kPrivate});
  Start("stream", {Program("stream_server"), journal + "stream.journal"});
  for (const char* name : kJournals) {
    EXPECT_TRUE(WaitUntil([&] { return !Journal(name).empty(); }, absl::Seconds(20)))
        << name << ": "
        << ReadFile(absl::StrCat(directory_, "/", name, ".out")).value_or("no output");
  }
}

InternetServers::~InternetServers() {
  for (const SpawnedProcess& process : processes_) {
    kill(process.pid, SIGQUIT);  // PostgreSQL's quick end; none of the others minds.
    waitpid(process.pid, nullptr, 0);
  }
}

void InternetServers::Start(const std::string& name, const std::vector<std::string>& argv) {
  const std::string output = absl::StrCat(directory_, "/", name, ".out");
  const UniqueFd out(open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  SpawnSpec spec;
  // Never outlives the test.
  spec.argv = {"setpriv",
               "--pdeathsig=KILL",
               "--",
               "nsenter",
               absl::StrCat("--net=", internet_->NetnsPath()),
               "--"};
  spec.argv.insert(spec.argv.end(), argv.begin(), argv.end());
  spec.env.push_back("PYTHONDONTWRITEBYTECODE=1");
  spec.fds = {{out.get(), 1}, {out.get(), 2}};
  spec.limits = {{RLIMIT_CORE, 0}};
  absl::StatusOr<SpawnedProcess> process = Spawn(spec);
  ASSERT_TRUE(process.ok()) << name << ": " << process.status();
  processes_.push_back(*std::move(process));
}

void InternetServers::StartHttp2() {
  const std::string address = absl::StrCat("--address=", kHttp2);
  const std::string root = absl::StrCat("--htdocs=", WebRoot());
  const std::string pem = absl::StrCat(directory_, "/server.pem");
  ASSERT_TRUE(WriteFile(WebRoot() + "/index.html", "two\n", 0644).ok());
  Start("http2", {"nghttpd", address, root, "443", pem, pem});
  Start("http2-plain", {"nghttpd", address, root, "--no-tls", "80"});
  AwaitPort(kHttp2, 443);
  AwaitPort(kHttp2, 80);
}

void InternetServers::AwaitPort(const char* address, int port) const {
  RunInNamespace(internet_->netns(), [&] {
    EXPECT_TRUE(WaitUntil(
        [&] {
          const Reach reach = TryTcp(address, port, absl::Milliseconds(100)).reach;
          return reach == Reach::kAnswered || reach == Reach::kSilence;
        },
        absl::Seconds(20)))
        << address << " port " << port;
  });
}

void InternetServers::StartSsh(std::string* private_key) {
  const std::string host_key = directory_ + "/ssh_host";
  const std::string user_key = directory_ + "/ssh_user";
  for (const std::string& key : {host_key, user_key}) {
    SpawnSpec spec;
    spec.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key};
    ASSERT_TRUE(RunChecked(spec).ok());
  }
  const std::string config = directory_ + "/sshd_config";
  ASSERT_TRUE(WriteFile(config,
                        absl::StrCat("ListenAddress ", kWeb, "\nHostKey ", host_key,
                                     "\nAuthorizedKeysFile ", user_key,
                                     ".pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
                                     "PidFile none\n"),
                        0644)
                  .ok());
  ASSERT_TRUE(MakeDirectories("/run/sshd").ok());
  Start("sshd", {"/usr/sbin/sshd", "-D", "-e", "-f", config});
  AwaitPort(kWeb, 22);
  *private_key = ReadFile(user_key).value_or("");
}

void InternetServers::StartPostgres() {
  const std::string data = directory_ + "/postgres";
  const std::string programs = "/usr/lib/postgresql/15/bin/";
  const std::string user = "setpriv --reuid=postgres --regid=postgres --clear-groups -- ";
  ASSERT_TRUE(MakeDirectories(data).ok());
  MustRun("chmod 755 " + directory_ + "/..");
  MustRun("chown postgres " + data);
  MustRun(
      absl::StrCat(user, programs, "initdb --no-sync --auth=trust --username=postgres -D ", data));
  ASSERT_TRUE(WriteFile(data + "/pg_hba.conf", "host all all all trust\n", 0644).ok());
  std::vector<std::string> argv = absl::StrSplit(user, ' ', absl::SkipEmpty());
  for (const std::string& argument :
       {programs + "postgres", std::string("-D"), data, std::string("-k"), data, std::string("-c"),
        absl::StrCat("listen_addresses=", kWeb), std::string("-c"), std::string("fsync=off")}) {
    argv.push_back(argument);
  }
  Start("postgres", argv);
  AwaitPort(kWeb, 5432);
}

void InternetServers::MakePackages() {
  MustRun(absl::StrCat(Program("make_packages"), " ", WebRoot()));
}

std::vector<std::string> InternetServers::Journal(const std::string& server, size_t from) const {
  const std::string text = ReadFile(absl::StrCat(directory_, "/", server, ".journal")).value_or("");
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  lines.erase(lines.begin(), lines.begin() + static_cast<int64_t>(std::min(from, lines.size())));
  return lines;
}

std::map<std::string, size_t> InternetServers::Mark() const {
  std::map<std::string, size_t> mark;
  for (const char* name : kJournals) mark[name] = Journal(name).size();
  return mark;
}

std::vector<std::string> InternetServers::Seen(const std::map<std::string, size_t>& mark,
                                               const std::string& part) const {
  std::vector<std::string> seen;
  for (const auto& [name, from] : mark) {
    for (std::string& line : Journal(name, from)) {
      if (absl::StrContains(line, part)) seen.push_back(absl::StrCat(name, ": ", line));
    }
  }
  return seen;
}

// An authority of the test, and one certificate for every name that a server has.
void InternetServers::MakeCertificates() const {
  const std::string key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 ";
  const std::string ca = CaFile();
  const std::string names =
      "DNS:*.allowed.test,DNS:*.wild.test,DNS:wild.test,DNS:evil.test,DNS:*.evil.test,"
      "DNS:xn--bcher-kva.test";
  MustRun(absl::StrCat("openssl req -x509 ", key, "-subj /CN=pretend -keyout ", directory_,
                       "/ca.key -out ", ca));
  MustRun(absl::StrCat("openssl req -x509 ", key, "-subj /CN=server -CA ", ca, " -CAkey ",
                       directory_, "/ca.key -addext subjectAltName=", names,
                       " -addext basicConstraints=CA:FALSE -keyout ", directory_,
                       "/server.key -out ", directory_, "/server.crt"));
  const absl::StatusOr<std::string> private_key = ReadFile(directory_ + "/server.key");
  const absl::StatusOr<std::string> certificate = ReadFile(directory_ + "/server.crt");
  ASSERT_TRUE(private_key.ok() && certificate.ok());
  ASSERT_TRUE(WriteFile(directory_ + "/server.pem", *private_key + *certificate, 0600).ok());
}

void InternetServers::WriteZone() const {
  nlohmann::json zone;
  for (const char* name : {"web.allowed.test", "*.wild.test", "wild.test", "ssh.allowed.test",
                           "db.allowed.test", "mcp.allowed.test", "xn--bcher-kva.test"}) {
    zone[name]["a"] = {kWeb};
  }
  zone["web.allowed.test"]["ttl"] = 60;
  zone["web.allowed.test"]["txt"] = {"secret"};
  zone["both.allowed.test"] = {{"a", {kWeb}}, {"aaaa", {kWeb6}}};
  zone["six.allowed.test"] = {{"aaaa", {kWeb6}}};
  zone["h2.allowed.test"]["a"] = {kHttp2};
  zone["dead.allowed.test"]["a"] = {"198.51.100.222"};  // Nobody there.
  zone["mixed.allowed.test"]["a"] = {PretendInternet::kMetadata, kWeb};
  zone["metadata.allowed.test"]["a"] = {PretendInternet::kMetadata};
  zone["metadata6.allowed.test"]["aaaa"] = {PretendInternet::kMetadata6};
  zone["private.allowed.test"]["a"] = {PretendInternet::kPrivate};
  zone["node.allowed.test"]["a"] = {PretendInternet::kHost};
  zone["control.allowed.test"]["a"] = {PretendInternet::kControlPlane};
  zone["database.allowed.test"]["a"] = {"198.51.100.98"};
  zone["loopback.allowed.test"]["a"] = {"127.0.0.1"};
  zone["zero.allowed.test"]["a"] = {"0.0.0.0"};
  zone["sibling.allowed.test"]["a"] = {"10.219.0.16", "10.219.0.17", "10.219.0.18"};
  // Forms of IPv6 that carry an IPv4 address: of the metadata service, and of loopback.
  zone["mapped.allowed.test"]["aaaa"] = {"::ffff:169.254.169.254"};
  zone["sixtofour.allowed.test"]["aaaa"] = {"2002:a9fe:a9fe::1"};
  zone["nat64.allowed.test"]["aaaa"] = {"64:ff9b::a9fe:a9fe"};
  zone["teredo.allowed.test"]["aaaa"] = {"2001:0:a9fe:a9fe:0:0:5601:5601"};
  zone["compatible.allowed.test"]["aaaa"] = {"::169.254.169.254"};
  zone["loopback6.allowed.test"]["aaaa"] = {"::1"};
  zone["turns.allowed.test"]["turns"] = {{kWeb}, {PretendInternet::kMetadata}};
  zone["silent.allowed.test"]["silent"] = true;
  zone["alias.allowed.test"]["cname"] = "shop.cdn.evil.test";
  zone["shop.cdn.evil.test"]["cname"] = "edge.evil.test";
  zone["evil.test"]["a"] = {kEvil};
  zone["*.evil.test"]["a"] = {kEvil};
  ASSERT_TRUE(WriteFile(directory_ + "/zone.json", zone.dump(), 0644).ok());
}

}  // namespace paddock::nodeagent
