# shellcheck shell=bash
# What tests/run needs: the programs under test, grpcurl, the official clients, the base image.
# Needs common.sh, packages.sh, build.sh.

# Builds with Debian's Go 1.19 as well as with today's.
readonly GRPCURL_VERSION=v1.8.9
readonly HELM_VERSION=v3.11.3
readonly ANT_VERSION=v1.20.0
# Unit tests of the libraries that need no gRPC: those that sanitizers watch in every run.
# shellcheck disable=SC2034  # read by tests/run
readonly PURE_TESTS=(common_test cp_core_test cp_rest_test na_system_test na_init_test na_runtime_test
  na_image_test na_net_test na_egress_test na_session_test na_build_test)

log_directory() { echo "$PADDOCK_BUILD/logs"; }

# test_step LABEL COMMAND…: a step whose log lies in the build tree.
test_step() {
  local label=$1
  shift
  step "$label" "$(log_directory)/$(tr -cs 'A-Za-z0-9' '-' <<<"$label").log" "$@"
}

build_go() {
  local go candidate
  for candidate in go /usr/lib/go/bin/go /usr/lib/go-1.19/bin/go; do
    if go=$(command -v "$candidate"); then
      GOTOOLCHAIN=local GOFLAGS='' GOBIN=$1 timeout -k 5 600 "$go" install "$2"
      return
    fi
  done
  die "no Go compiler (package golang-go)"
}

# The grpcurl that tests call; made once per build tree.
ensure_grpcurl() {
  local directory=$PADDOCK_BUILD/tools/grpcurl-$GRPCURL_VERSION
  if [[ ! -x $directory/grpcurl ]]; then
    mkdir -p "$directory"
    test_step "building grpcurl" build_go "$directory" \
      "github.com/fullstorydev/grpcurl/cmd/grpcurl@$GRPCURL_VERSION"
  fi
  export PADDOCK_TEST_GRPCURL=$directory/grpcurl
  export PATH=$directory:$PATH
}

# The helm that chart tests call: the one on the PATH, else made once per build tree.
ensure_helm() {
  local directory=$PADDOCK_BUILD/tools/helm-$HELM_VERSION
  if command -v helm >/dev/null; then return 0; fi
  if [[ ! -x $directory/helm ]]; then
    mkdir -p "$directory"
    test_step "building helm" build_helm "$directory"
  fi
  export PATH=$directory:$PATH
}

# A module of its own: helm's has replacements, with which `go install` refuses it.
build_helm() {
  local go candidate
  for candidate in /usr/lib/go/bin/go /usr/lib/go-1.19/bin/go go; do
    if go=$(command -v "$candidate"); then break; fi
  done
  [[ -n $go ]] || die "no Go compiler (package golang-go)"
  printf 'module paddock/tools\n\ngo 1.19\n\nrequire helm.sh/helm/v3 %s\n' "$HELM_VERSION" >"$1/go.mod"
  (
    cd "$1" || exit
    GOTOOLCHAIN=local GOFLAGS=-mod=mod GOWORK=off CGO_ENABLED=0 \
      timeout -k 5 900 "$go" build -trimpath -o "$1/helm" helm.sh/helm/v3/cmd/helm
  )
}

# The official clients that tests/rest goes through, each as its own package client installs it; made
# once per build tree and list of versions.
ensure_clients() {
  local lists=$PADDOCK_REPO/tests/rest/clients directory=$PADDOCK_BUILD/tools/clients stamp
  export PADDOCK_TEST_CLIENTS=$directory
  stamp=$(cat "$lists"/* | sha256sum)
  if [[ ! -f $directory/.complete || $(<"$directory/.complete") != "$stamp" ]]; then
    rm -rf "$directory"
    mkdir -p "$directory"
    # Node.js comes with npm from some sources, and without it from Debian.
    if ! command -v node || ! command -v npm; then
      install_packages "$(log_directory)/packages.log" node
    fi >/dev/null
    test_step "installing the Python SDKs" install_python_clients "$lists" "$directory"
    test_step "installing the TypeScript SDKs" install_typescript_clients "$lists" "$directory"
    printf '%s\n' "$stamp" >"$directory/.complete"
  fi
  ensure_ant "$directory"
}

install_python_clients() {
  local version
  for version in 2026 2023; do
    /usr/bin/python3 -m venv "$2/python-$version" &&
      "$2/python-$version/bin/pip" install --no-deps --only-binary :all: \
        -r "$1/requirements-$version.txt" || return
  done
}

install_typescript_clients() { cp "$1"/package*.json "$2" && npm ci --ignore-scripts --prefix "$2"; }

# ant is built where its module can be had; its tests are left out where it can't and none is on the
# PATH. (Apache's build tool has the same name.)
ensure_ant() {
  local log
  log=$(log_directory)/ant.log
  export PATH=$1:$PATH
  if ant --help 2>&1 | grep -q beta:environments; then return 0; fi
  if build_go "$1" "github.com/anthropics/anthropic-cli/cmd/ant@$ANT_VERSION" >"$log" 2>&1; then
    say "  ant $ANT_VERSION is built"
  else
    say "  ant can't be had here: its tests are skipped ($log)"
  fi
}

# The base image is shared by privileged tests and quickstarts of one build tree.
ensure_image() {
  export PADDOCK_IMAGES=$PADDOCK_BUILD/images
  "$PADDOCK_REPO/deploy/base-image/build" slim "$PADDOCK_IMAGES/slim.tar"
  export PADDOCK_TEST_IMAGE=$PADDOCK_IMAGES/slim.tar
}

# run_ctest DIRECTORY JOBS CTEST_ARGUMENT…: its own output and summary on the terminal. No test
# found is a failure.
run_ctest() {
  local directory=$1 jobs=$2
  shift 2
  ctest --test-dir "$directory" --output-on-failure --no-tests=error -j "$jobs" "$@" </dev/null
}

# run_ctest_on_machine LABEL: tests that share the kernel, the clock and the package registries with all
# else on this machine. One that fails runs once more; the first failure and its output stay on the
# terminal, and a second one is final.
run_ctest_on_machine() { run_ctest "$PADDOCK_BUILD" 1 -L "^$1\$" --repeat until-pass:2; }

# sanitizer_tree NAME SANITIZERS [CMAKE_ARGUMENT…]: an extra tree, with clang, for the libraries that
# need no gRPC.
sanitizer_tree() {
  local name=$1 sanitizers=$2
  shift 2
  configure_build "$PADDOCK_BUILD-$name" "$(log_directory)/configure-$name.log" \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang-14 \
    -DCMAKE_CXX_COMPILER=clang++-14 "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -gline-tables-only" \
    "-DPADDOCK_SANITIZE=$sanitizers" "$@"
}

# existing_targets DIRECTORY NAME…: those that the tree has.
existing_targets() {
  local directory=$1
  shift
  comm -12 <(printf '%s\n' "$@" | sort -u) \
    <(ninja -C "$directory" -t targets all | sed -n 's/: phony$//p' | sort -u)
}

any_of() {
  local IFS='|'
  echo "^($*)\$"
}
