// What people run, from a limited session: real programs of this machine in a real sandbox, against
// the hosts that its policy allows, and how their refusals read. Programs too big to be installed
// for every run: egress_clients_nightly_test.cc.

#include "tests/privileged/egress_clients.h"

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "common/clock.h"

namespace paddock::nodeagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(EgressClientsTest, CurlSpeaksHttp1AndHttp2) {
  auto session = Trusting();
  world_->servers().StartHttp2();
  EXPECT_THAT(Run(*session, "curl -sS http://web.allowed.test/plain"),
              HasSubstr("GET /plain host=web.allowed.test\nexit 0"));
  EXPECT_THAT(Run(*session, "curl -sS --http1.1 https://web.allowed.test/tls"),
              HasSubstr("GET /tls host=web.allowed.test\nexit 0"));
  EXPECT_THAT(Run(*session, "curl -sS --http2 -w ' %{http_version}\\n' https://h2.allowed.test/"),
              HasSubstr("two\n 2\nexit 0"));
  EXPECT_THAT(Run(*session,
                  "curl -sS https://web.allowed.test/a https://web.allowed.test/b "
                  "http://a.wild.test/c"),
              AllOf(HasSubstr("/a "), HasSubstr("/b "), HasSubstr("GET /c host=a.wild.test")));
  session->ExpectEvent({"h2.allowed.test", 443, true, ""});
}

TEST_F(EgressClientsTest, CurlExplainsRefusals) {
  auto session = Trusting();
  EXPECT_THAT(Run(*session, "curl -sS -w '%{http_code}\\n' http://evil.test/"),
              AllOf(HasSubstr("403\n"), HasSubstr("allowed_hosts"), HasSubstr("evil.test")));
  EXPECT_THAT(Run(*session, "curl -sS https://evil.test/"), HasSubstr("access denied"));
  EXPECT_THAT(Run(*session, "curl -sS -m 5 --resolve evil.test:80:198.51.100.21 http://evil.test/"),
              HasSubstr("exit 7"));
  EXPECT_THAT(Run(*session,
                  "curl -sS -m 5 --resolve web.allowed.test:443:198.51.100.21 "
                  "https://web.allowed.test/"),
              HasSubstr("exit 7"));
  EXPECT_THAT(Run(*session, "curl -sS -m 5 -H 'Host: evil.test' http://web.allowed.test/"),
              AllOf(HasSubstr("paddock:"), HasSubstr("evil.test")));
  EXPECT_THAT(Run(*session,
                  "curl -sS -m 5 -k --connect-to evil.test:443:web.allowed.test:443 "
                  "https://evil.test/"),
              HasSubstr("access denied"));
  EXPECT_THAT(Run(*session, "curl -sS -m 5 -x http://web.allowed.test:80 https://evil.test/"),
              HasSubstr("403"));
  session->ExpectEvent({"evil.test", 443, false, "is not allowed"});
}

// A sandbox can't edit its /etc/hosts; a program that has an address from elsewhere gets nowhere.
TEST_F(EgressClientsTest, AnAddressFromElsewhereLeadsNowhere) {
  auto session = Trusting();
  const auto mark = world_->servers().Mark();
  EXPECT_THAT(Run(*session, "echo '198.51.100.21 web.allowed.test' >> /etc/hosts"),
              HasSubstr("Permission denied"));
  EXPECT_THAT(Run(*session,
                  "curl -sS -m 5 --resolve web.allowed.test:80:198.51.100.21 "
                  "http://web.allowed.test/edited"),
              HasSubstr("exit 7"));
  EXPECT_EQ(world_->servers().Seen(mark, "/edited"), std::vector<std::string>());
  session->ExpectEvent({"", 80, false, "limited networking"});
}

TEST_F(EgressClientsTest, GitClonesOverHttpsAndSsh) {
  auto session = Trusting();
  EXPECT_THAT(Run(*session,
                  "git clone -q https://web.allowed.test/files/repository.git one && "
                  "cat one/README"),
              HasSubstr("pretended\nexit 0"));
  std::string key;
  world_->servers().StartSsh(&key);
  Run(*session,
      absl::StrCat("mkdir -p .ssh; cat > .ssh/key <<'END'\n", key, "END\nchmod 600 .ssh/key"));
  EXPECT_THAT(
      Run(*session,
          absl::StrCat("export GIT_SSH_COMMAND='ssh -i .ssh/key -o BatchMode=yes "
                       "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'\n"
                       "git clone -q ssh://root@ssh.allowed.test",
                       world_->servers().WebRoot(), "/repository.git two && cat two/README")),
      HasSubstr("pretended\nexit 0"));
  session->ExpectEvent({"ssh.allowed.test", 22, true, ""});
}

TEST_F(EgressClientsTest, PipAndAptInstall) {
  auto session = Trusting();
  EXPECT_THAT(Run(*session,
                  "/usr/bin/python3 -m pip install --quiet --target site --cert ca.pem "
                  "--index-url https://web.allowed.test/files/simple pretend-package && "
                  "PYTHONPATH=site /usr/bin/python3 -c 'import pretend_package as p; "
                  "print(p.VALUE)'"),
              HasSubstr("pretended\nexit 0"));
  EXPECT_THAT(Run(*session,
                  "echo 'deb [trusted=yes] https://web.allowed.test/files/debian ./' > "
                  "list; mkdir -p l/partial c/archives/partial\n"
                  "o='-o APT::Sandbox::User=root -o Dir::Etc::SourceList=/root/list "
                  "-o Dir::Etc::SourceParts=- -o Dir::State::Lists=/root/l "
                  "-o Dir::Cache=/root/c -o Acquire::https::CaInfo=/root/ca.pem "
                  "-o Acquire::http::Proxy=false -o Acquire::https::Proxy=false'\n"
                  "apt-get -qq $o update && apt-get -qq $o download pretend && ls *.deb"),
              HasSubstr("pretend_1.0_all.deb\nexit 0"));
}

TEST_F(EgressClientsTest, PsqlQueries) {
  auto session = Trusting();
  world_->servers().StartPostgres();
  EXPECT_THAT(Run(*session,
                  "/usr/lib/postgresql/15/bin/psql -h db.allowed.test -U postgres -Atc "
                  "'select 6*7'"),
              HasSubstr("42\nexit 0"));
  session->ExpectEvent({"db.allowed.test", 5432, true, ""});
}

TEST_F(EgressClientsTest, PythonAndBothResolversWork) {
  auto session = Trusting();
  EXPECT_THAT(Run(*session,
                  "/usr/bin/python3 -c \"import urllib.request as u; "
                  "print(u.urlopen('https://web.allowed.test/py').read())\""),
              HasSubstr("GET /py host=web.allowed.test"));
  EXPECT_THAT(Run(*session, "musl-fetch both.allowed.test 80"),
              AllOf(HasSubstr("200 OK"), HasSubstr("exit 0")));
  EXPECT_THAT(Run(*session, "getent ahosts both.allowed.test"), HasSubstr("exit 0"));
  EXPECT_THAT(Run(*session, "musl-fetch evil.test 80"), HasSubstr("403 Forbidden"));
}

// Empty AAAA answers come at once, so that nobody waits for them or tries IPv6 first.
TEST_F(EgressClientsTest, HappyEyeballsDelayNothing) {
  auto session = Trusting();
  for (const char* command :
       {"curl -sS -o /dev/null http://both.allowed.test/", "musl-fetch both.allowed.test 80",
        "/usr/bin/python3 -c \"import socket; "
        "socket.create_connection(('both.allowed.test', 80))\""}) {
    ASSERT_THAT(Run(*session, command), HasSubstr("exit 0"));
    const absl::Duration start = Clock::Real()->Monotonic();
    Run(*session, command);
    EXPECT_LT(Clock::Real()->Monotonic() - start, absl::Seconds(1)) << command;
  }
}

TEST_F(EgressClientsTest, WebSocketsAndLongStreamsStayOpen) {
  auto session = Trusting();
  const std::string client =
      "import base64, os, socket, ssl, sys\n"
      "s = socket.create_connection(('web.allowed.test', 443))\n"
      "s = ssl.create_default_context(cafile='ca.pem').wrap_socket(s, server_hostname="
      "'web.allowed.test')\n"
      "s.sendall(b'GET /ws HTTP/1.1\\r\\nHost: web.allowed.test\\r\\nUpgrade: websocket\\r\\n"
      "Connection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: '\n"
      "          + base64.b64encode(os.urandom(16)) + b'\\r\\n\\r\\n')\n"
      "f = s.makefile('rb')\n"
      "print(f.readline())\n"
      "while f.readline() != b'\\r\\n': pass\n"
      "for i in range(50):\n"
      "  s.sendall(b'\\x81\\x85\\0\\0\\0\\0hello'); assert f.read(7) == b'\\x81\\x05hello'\n"
      "print('fifty')\n";
  EXPECT_THAT(
      Run(*session, absl::StrCat("cat > ws.py <<'END'\n", client, "END\n/usr/bin/python3 ws.py")),
      AllOf(HasSubstr("101"), HasSubstr("fifty\nexit 0")));
  EXPECT_THAT(Run(*session, "curl -sSN http://web.allowed.test/drip/40"),
              HasSubstr("line 39\nexit 0"));
}

TEST_F(EgressClientsTest, WebSocketWithoutTlsStaysOpen) {
  auto session = Trusting();
  const std::string client =
      "import socket\n"
      "s = socket.create_connection(('web.allowed.test', 80))\n"
      "s.sendall(b'GET /ws HTTP/1.1\\r\\nHost: web.allowed.test\\r\\nUpgrade: websocket\\r\\n"
      "Connection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n\\r\\n')\n"
      "f = s.makefile('rb')\n"
      "print(f.readline())\n"
      "while f.readline() != b'\\r\\n': pass\n"
      "s.sendall(b'\\x81\\x85\\0\\0\\0\\0hello'); print(f.read(7))\n";
  EXPECT_THAT(
      Run(*session, absl::StrCat("cat > ws.py <<'END'\n", client, "END\n/usr/bin/python3 ws.py")),
      AllOf(HasSubstr("101"), HasSubstr("hello'\nexit 0")));
}

TEST_F(EgressClientsTest, AGigabyteComesThroughWhole) {
  auto session = Trusting();
  EXPECT_THAT(Run(*session,
                  "curl -sS -o /dev/null -w '%{size_download}\\n' "
                  "https://web.allowed.test/bytes/1000000000",
                  absl::Minutes(3)),
              HasSubstr("1000000000\nexit 0"));
  EXPECT_THAT(Run(*session,
                  "head -c 300000000 /dev/zero | curl -sS --data-binary @- "
                  "http://web.allowed.test/upload",
                  absl::Minutes(2)),
              HasSubstr("received 300000000\nexit 0"));
  bool counted = false;
  EXPECT_TRUE(WaitUntil([&] {
    for (const EgressEvent& event : session->Events()) {
      counted = counted || (event.allowed && event.bytes_received > 1'000'000'000);
    }
    return counted;
  }));
}

TEST_F(EgressClientsTest, EitherSideMayEndItsDirection) {
  auto session = Trusting();
  // The server ends first, and still hears everything.
  const auto mark = world_->servers().Mark();
  EXPECT_THAT(session->Probe({"tcp", "web.allowed.test", "7781", "recv=5000", "recv=5000"}),
              HasSubstr("reply bye\\n\nclosed"));
  const std::string script =
      "import socket\n"
      "s = socket.create_connection(('web.allowed.test', 7781))\n"
      "assert s.recv(10) == b'bye\\n' and s.recv(10) == b''\n"
      "s.sendall(b'\\1' * 1000000); s.close()\n"
      "s = socket.create_connection(('web.allowed.test', 7782))\n"
      "s.sendall(b'\\1' * 1000000); s.shutdown(socket.SHUT_WR)\n"
      "print('counted', s.recv(100), s.recv(100))\n";
  EXPECT_THAT(Run(*session,
                  absl::StrCat("cat > half.py <<'END'\n", script, "END\n/usr/bin/python3 half.py")),
              HasSubstr("counted b'1000000\\n' b''\nexit 0"));
  EXPECT_TRUE(WaitUntil(
      [&] { return !world_->servers().Seen(mark, "close 198.51.100.20 7781 1000000").empty(); }));
  // And a server that speaks first is heard before the client says anything.
  EXPECT_THAT(session->Probe({"tcp", "web.allowed.test", "7777", "recv=5000"}),
              HasSubstr("reply 203.0.113.2\\n"));
  EXPECT_THAT(session->Probe({"tcp", "web.allowed.test", "7784", "send=01", "recv=5000"}),
              HasSubstr("reset 104"));
}

TEST_F(EgressClientsTest, PythonsRequestsFetch) {
  auto session = Trusting();
  EXPECT_THAT(Run(*session,
                  "/usr/bin/python3 -c \"import requests; "
                  "print(requests.get('https://web.allowed.test/requests').text)\""),
              HasSubstr("GET /requests host=web.allowed.test"));
}

TEST_F(EgressClientsTest, GoFetchesModules) {
  auto session = Trusting();
  EXPECT_THAT(
      Run(*session,
          "mkdir g && cd g && export HOME=/root GOFLAGS=-mod=mod GONOSUMDB=* GONOSUMCHECK=1 "
          "GOPROXY=https://web.allowed.test/files/go && /usr/bin/go mod init me "
          "2>/dev/null && /usr/bin/go mod download -json pretend.example/pretend@v1.0.0"),
      AllOf(HasSubstr("\"Version\": \"v1.0.0\""), HasSubstr("exit 0")));
}

TEST_F(EgressClientsTest, NodeFetches) {
  auto session = Trusting();
  EXPECT_THAT(Run(*session,
                  "node -e \"fetch('https://web.allowed.test/node').then(r => r.text())"
                  ".then(t => console.log(t))\""),
              HasSubstr("GET /node host=web.allowed.test"));
  EXPECT_THAT(Run(*session,
                  "node -e \"fetch('http://evil.test/').then(r => r.text())"
                  ".then(t => console.log(t))\""),
              HasSubstr("allowed_hosts"));
}

}  // namespace
}  // namespace paddock::nodeagent
