// The musl resolver at work: looks a name up as programs of musl images do, connects, and fetches
// the root page of an HTTP server.
//
//   musl-fetch NAME PORT

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int Fetch(const char* name, const char* port) {
  const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo* found = NULL;
  const int error = getaddrinfo(name, port, &hints, &found);
  if (error != 0) {
    printf("unresolved %s\n", gai_strerror(error));
    return 1;
  }
  int fd = -1;
  for (const struct addrinfo* one = found; one != NULL && fd < 0; one = one->ai_next) {
    fd = socket(one->ai_family, SOCK_STREAM, 0);
    if (connect(fd, one->ai_addr, one->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(found);
  if (fd < 0) {
    perror("connect");
    return 1;
  }
  char text[4096];
  snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", name);
  if (write(fd, text, strlen(text)) < 0) return 1;
  ssize_t size = 0;
  while ((size = read(fd, text, sizeof text)) > 0) fwrite(text, 1, (size_t)size, stdout);
  close(fd);
  return size < 0;
}

int main(int argc, char** argv) { return argc == 3 ? Fetch(argv[1], argv[2]) : 2; }
