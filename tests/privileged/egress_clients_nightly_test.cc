// What people run, from a limited session, as egress_clients_test.cc: programs that are too big to
// be installed for every run.

#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "tests/privileged/egress_clients.h"

namespace paddock::nodeagent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(EgressClientsTest, CargoFetchesCrates) {
  auto session = Trusting();
  EXPECT_THAT(Run(*session,
                  "mkdir -p c/src && cd c && touch src/lib.rs && export CARGO_HOME=/root/cargo "
                  "CARGO_HTTP_CAINFO=/root/ca.pem && mkdir -p /root/cargo && cat > "
                  "/root/cargo/config.toml <<'END'\n"
                  "[registries.pretend]\n"
                  "index = 'sparse+https://web.allowed.test/files/cargo/'\n"
                  "END\ncat > Cargo.toml <<'END'\n"
                  "[package]\nname = 'me'\nversion = '0.1.0'\nedition = '2021'\n"
                  "[dependencies]\npretend = { version = '1', registry = 'pretend' }\n"
                  "END\n/usr/bin/cargo -Z sparse-registry fetch 2>&1 || /usr/bin/cargo fetch 2>&1; "
                  "ls /root/cargo/registry/cache/*"),
              HasSubstr("pretend-1.0.0.crate"));
}

TEST_F(EgressClientsTest, NpmInstalls) {
  auto session = Trusting();
  EXPECT_THAT(
      Run(*session,
          "mkdir n && cd n && npm install --silent --no-audit --no-fund --cafile=/root/ca.pem "
          "--registry=https://web.allowed.test/files/npm/ pretend && "
          "node -e \"console.log(require('pretend'))\""),
      HasSubstr("pretended\nexit 0"));
}

TEST_F(EgressClientsTest, JavasHttpClientFetches) {
  auto session = Trusting();
  const std::string program =
      "import java.net.URI; import java.net.http.*;\n"
      "public class Fetch { public static void main(String[] a) throws Exception {\n"
      "  var c = HttpClient.newHttpClient();\n"
      "  for (String u : a) "
      "System.out.println(c.send(HttpRequest.newBuilder(URI.create(u)).build(),"
      " HttpResponse.BodyHandlers.ofString()).body()); } }\n";
  // Over TLS it offers HTTP/2 by ALPN, without TLS by an upgrade.
  EXPECT_THAT(
      Run(*session,
          absl::StrCat("cat > Fetch.java <<'END'\n", program,
                       "END\nkeytool -importcert -noprompt -storepass changeit -keystore ks -file "
                       "ca.pem -alias p >/dev/null 2>&1; java -Djavax.net.ssl.trustStore=ks "
                       "-Djavax.net.ssl.trustStorePassword=changeit Fetch.java "
                       "https://web.allowed.test/java http://web.allowed.test/java2"),
          absl::Minutes(2)),
      AllOf(HasSubstr("GET /java host=web.allowed.test"),
            HasSubstr("GET /java2 host=web.allowed.test"), HasSubstr("exit 0")));
}

}  // namespace
}  // namespace paddock::nodeagent
