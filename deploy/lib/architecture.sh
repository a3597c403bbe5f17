# shellcheck shell=bash
# Who may include whom. Needs common.sh; run in the repository's root.
#
# `api` and `rest` include `core`; `store` and `rpc` its interfaces; only main.cc and tests see
# concrete classes. HTTP and Boost are only in `rest`. Control plane and node agent meet only in proto and common. SQL is only in
# `store`, system calls are only in `system`, proto and gRPC types only in `api`, `rpc`, `common`.

# Directory, then what its files may include besides themselves and common/ (space separated).
readonly MAY_INCLUDE="
common
controlplane/core
controlplane/store      controlplane/core
controlplane/rpc        controlplane/core
controlplane/api        controlplane/core
controlplane/rest       controlplane/core
nodeagent/system
nodeagent/init          nodeagent/system
nodeagent/runtime       nodeagent/system
nodeagent/image         nodeagent/system
nodeagent/net           nodeagent/system
nodeagent/egress        nodeagent/system nodeagent/net
nodeagent/session       nodeagent/system nodeagent/init nodeagent/runtime nodeagent/image nodeagent/net nodeagent/egress
nodeagent/build         nodeagent/system nodeagent/init nodeagent/runtime nodeagent/image nodeagent/egress nodeagent/session
nodeagent/api           nodeagent/build nodeagent/session nodeagent/system nodeagent/init nodeagent/runtime nodeagent/egress
deploy/demo
"

check_architecture() {
  local directory allowed found=0
  while read -r directory allowed; do
    [[ -n $directory && -d $directory ]] || continue
    check_includes "$directory" "$allowed" || found=1
  done <<<"$MAY_INCLUDE"
  check_generated_types || found=1
  check_boost || found=1
  check_sql || found=1
  check_clock || found=1
  check_pragma_once || found=1
  return "$found"
}

# Files of our own code, tests left out (they may see fakes and concrete classes).
own_files() {
  find "$1" \( -name '*.cc' -o -name '*.h' \) -type f ! -name '*_test.cc' ! -name '*_fuzzer.cc'
}

check_includes() {
  local directory=$1 allowed=" $2 common $1 " file line target found=0
  while read -r file; do
    while IFS=: read -r line target; do
      case $target in
        common/* | controlplane/* | nodeagent/* | deploy/* | tests/*)
          target=$(cut -d/ -f1-2 <<<"${target%/*}")
          if [[ $allowed != *" $target "* ]]; then
            say "$file:$line: $directory must not include $target"
            found=1
          fi
          ;;
      esac
    done < <(sed -n 's/^#include "\(.*\)"$/\1/p;=' "$file" | awk '/^[0-9]+$/ { n = $1; if (t) print n ":" t; t = ""; next } { t = $0 }')
  done < <(own_files "$directory")
  return "$found"
}

# proto and gRPC types only where the wire is.
check_generated_types() {
  local found=0
  if { own_files controlplane/core && own_files controlplane/rest && own_files controlplane/store; } |
    xargs grep -nE '#include .*(grpcpp|grpc/|\.pb\.h)'; then
    say "proto and gRPC types belong into api, rpc and common"
    found=1
  fi
  if find nodeagent -mindepth 1 -maxdepth 1 -type d ! -name api -print0 | xargs -0 -I{} find {} -name '*.[ch]*' |
    grep -v _test.cc | xargs grep -nE '#include .*(grpcpp|grpc/|\.pb\.h)'; then
    say "proto and gRPC types belong into nodeagent/api and common"
    found=1
  fi
  return "$found"
}

# HTTP and its sockets.
check_boost() {
  if find common controlplane nodeagent -name '*.[ch]*' ! -path '*/rest/*' -print0 |
    xargs -0 grep -nE '#include [<"]boost'; then
    say "Boost belongs into controlplane/rest"
    return 1
  fi
}

check_sql() {
  if find common nodeagent controlplane -name '*.[ch]*' ! -path '*/store/*' -print0 |
    xargs -0 grep -nE '#include [<"]pqxx'; then
    say "SQL belongs into controlplane/store"
    return 1
  fi
}

# The real clock is read in one place, so that tests decide about time.
check_clock() {
  if find common controlplane/core nodeagent/session -name '*.cc' ! -name clock.cc ! -name '*_test.cc' -print0 |
    xargs -0 grep -nE 'absl::Now\(\)'; then
    say "take a Clock instead of absl::Now()"
    return 1
  fi
  if find common controlplane nodeagent \( -name '*.cc' -o -name '*.h' \) ! -name '*_test.cc' -print0 |
    xargs -0 grep -nE '(Await|Wait|LockWhen)With(Timeout|Deadline)\('; then
    say "absl's timed waits last longer when the clock is set back: use AwaitFor"
    return 1
  fi
}

check_pragma_once() {
  local file found=0
  while read -r file; do
    if ! grep -q '^#pragma once$' "$file"; then
      say "$file: #pragma once is missing"
      found=1
    fi
  done < <(find common controlplane nodeagent deploy tests -name '*.h' -type f)
  return "$found"
}
