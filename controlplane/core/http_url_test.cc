#include "controlplane/core/http_url.h"

#include <string>

#include "gtest/gtest.h"

namespace paddock {
namespace {

TEST(HttpUrlTest, HostAndPortAreFound) {
  struct Case {
    const char* url;
    const char* scheme;
    const char* host;
    int port;
  };
  const Case cases[] = {
      {"https://mcp.example.com/sse", "https", "mcp.example.com", 443},
      {"http://mcp.example.com", "http", "mcp.example.com", 80},
      {"HTTPS://MCP.Example.COM:8443/x?y#z", "https", "mcp.example.com", 8443},
      {"http://localhost:", "http", "localhost", 80},
      {"http://localhost:1", "http", "localhost", 1},
      {"https://bücher.example?q=@", "https", "xn--bcher-kva.example", 443},
      {"http://10.0.0.1:9000/", "http", "10.0.0.1", 9000},
      {"http://[2001:DB8::1]:9000/", "http", "2001:db8::1", 9000},
      {"https://[::1]", "https", "::1", 443},
  };
  for (const Case& expected : cases) {
    const auto url = ParseHttpUrl(expected.url);
    ASSERT_TRUE(url.ok()) << expected.url << ": " << url.status();
    EXPECT_EQ(url->scheme, expected.scheme);
    EXPECT_EQ(url->host, expected.host);
    EXPECT_EQ(url->port, expected.port);
  }
}

TEST(HttpUrlTest, OtherThingsAreRefused) {
  const std::string urls[] = {
      "",
      "example.com",
      "ftp://example.com",
      "file:///etc/passwd",
      "https:example.com",
      "https:/example.com",
      "https://",
      "https:///path",
      "https://:443",
      "https://user:pw@example.com",
      "https://user@example.com",
      "https://exam ple.com",
      "https://example.com/a b",
      "https://example.com/\n",
      "https://example.com:0",
      "https://example.com:65536",
      "https://example.com:99999999999",
      "https://example.com:-1",
      "https://example.com:+1",
      "https://example.com:8x",
      "https://[::1",
      "https://[::1]x",
      "https://[example.com]",
      "https://*.example.com",
      "https://a..b",
      "https://127.1",
      "https://0x7f000001",
      "https://example.com/" + std::string(2048, 'x'),
      "https://\xff",
      std::string("https://a.com\0.b.com", 20),
  };
  for (const std::string& url : urls) {
    EXPECT_FALSE(ParseHttpUrl(url).ok()) << url.substr(0, 60);
  }
}

}  // namespace
}  // namespace paddock
