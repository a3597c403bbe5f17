# shellcheck shell=bash
# What each image holds. Needs carve.sh, oci.sh, and of its caller: here (this directory) and images_to.
# shellcheck disable=SC2154  # those two

readonly BINARIES=(controlplane/controlplane nodeagent/nodeagent nodeagent/paddock-init
  deploy/demo/paddock_demo)

# Programs and data beside the libraries of our binaries.
readonly TREE_PACKAGES=(bash btrfs-progs ca-certificates conntrack coreutils crun curl diffutils e2fsprogs
  grep iproute2 jq libc-bin mount nftables openssl postgresql-15 postgresql-client-15 procps
  publicsuffix runc sed skopeo tar umoci util-linux xz-utils)

# tree_packages: those, and the packages of the libraries that our binaries are linked with.
tree_packages() {
  local binary
  {
    printf '%s\n' "${TREE_PACKAGES[@]}"
    for binary in "${BINARIES[@]}"; do
      [[ -x $PADDOCK_BUILD/$binary ]] || die "$PADDOCK_BUILD/$binary isn't built"
      ldd "$PADDOCK_BUILD/$binary" 2>/dev/null | sed -nE 's,^.* => (/[^ ]+) .*$,\1,p'
    done | sort -u | while IFS= read -r library; do
      dpkg-query -S "$(realpath "$library")" 2>/dev/null || dpkg-query -S "$library"
    done | sed 's/[:,].*//'
  } | sort -u
}

# base_files ROOT: what every image has: names of users, trusted roots.
base_files() {
  local root=$1
  mkdir -p "$root/etc/ssl/certs"
  printf '%s\n' 'root:x:0:0:root:/root:/usr/sbin/nologin' \
    'postgres:x:26:26:postgres:/var/lib/postgresql:/usr/sbin/nologin' \
    'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin' \
    'paddock:x:65532:65532:paddock:/nonexistent:/usr/sbin/nologin' >"$root/etc/passwd"
  printf '%s\n' root:x:0: postgres:x:26: nogroup:x:65534: paddock:x:65532: >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  cp "$2/etc/ssl/certs/ca-certificates.crt" "$root/etc/ssl/certs/"
  cp "$2/etc/debian_version" "$root/etc/"
  copy_path "$2" "$root" /etc/os-release
  # /usr/lib/ssl leads to /etc/ssl.
  copy_path "$2" "$root" /usr/lib/ssl
  cp "$2/etc/ssl/openssl.cnf" "$root/etc/ssl/"
}

# binaries_to TREE NAME…: into the tree, where their libraries are found; without symbols.
binaries_to() {
  local tree=$1 name file
  shift
  for name in "$@"; do
    for file in "${BINARIES[@]}"; do
      [[ ${file##*/} != "$name" ]] || {
        install -m 755 "$(binary_of "$file")" "$tree/usr/bin/$name"
        strip --strip-unneeded "$tree/usr/bin/$name"
      }
    done
  done
}

# PADDOCK_CONTROLPLANE: another program in its place.
binary_of() {
  if [[ ${1##*/} == controlplane ]]; then
    echo "${PADDOCK_CONTROLPLANE:-$PADDOCK_BUILD/$1}"
  else
    echo "$PADDOCK_BUILD/$1"
  fi
}

shell_programs() { package_programs "$1" bash coreutils diffutils grep sed; }

files_of() {
  local image=$1 tree=$2
  case $image in
    control-plane)
      binaries_to "$tree" controlplane
      printf '%s\n' /usr/bin/controlplane /usr/share/publicsuffix
      ;;
    node-agent)
      binaries_to "$tree" nodeagent paddock-init
      printf '%s\n' /usr/bin/nodeagent /usr/bin/paddock-init /usr/bin/crun /usr/sbin/runc \
        /sbin/mkfs.btrfs /sbin/mkfs.ext4 /etc/mke2fs.conf /sbin/blkid /usr/sbin/nft /usr/sbin/conntrack \
        /usr/bin/skopeo /etc/containers /usr/bin/tar /usr/bin/xz
      package_programs "$tree" iproute2 mount
      shell_programs "$tree"
      ;;
    tools)
      binaries_to "$tree" controlplane paddock_demo
      printf '%s\n' /usr/bin/controlplane /usr/bin/paddock_demo /usr/share/publicsuffix \
        /usr/bin/curl /usr/bin/jq /usr/bin/openssl
      shell_programs "$tree"
      ;;
    postgresql)
      printf '%s\n' /usr/lib/postgresql/15/bin /usr/share/postgresql/15 /usr/lib/locale/C.utf8
      find "$tree/usr/lib/postgresql/15/lib" -name '*.so' ! -name 'llvmjit*' -printf '/usr/lib/postgresql/15/lib/%P\n'
      find "$tree/usr/share/zoneinfo" -maxdepth 1 -name UTC -printf '/usr/share/zoneinfo/%P\n'
      shell_programs "$tree"
      ;;
  esac
}

settings_of() {
  case $1 in
    control-plane) echo '{"User": "65532:65532", "Entrypoint": ["/usr/bin/controlplane"]}' ;;
    node-agent) echo '{"Entrypoint": ["/usr/bin/nodeagent"]}' ;;
    tools) echo '{"User": "65532:65532"}' ;;
    postgresql) echo '{"User": "26:26", "Entrypoint": ["/usr/lib/paddock/postgresql"], "StopSignal": "SIGINT"}' ;;
    sandbox-base) echo '{"Cmd": ["/bin/bash"], "WorkingDir": "/workspace"}' ;;
  esac | jq -c '. + {Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin"]}'
}

# The scripts of an image lie in /usr/lib/paddock.
scripts_of() {
  case $1 in
    tools) printf '%s\n' certificates.sh certificates node-companion node-list main-job ;;
    postgresql) echo postgresql ;;
  esac
}

make_root() {
  local image=$1 tree=$2 root=$3 script
  local -a files
  mapfile -t files < <(files_of "$image" "$tree")
  ((${#files[@]} > 0)) || die "no files for $image"
  carve "$tree" "$root" "${files[@]}"
  base_files "$root" "$tree"
  # Debian's sh, for those that call system(3); the control plane has no shell at all.
  if [[ -e $root/usr/bin/bash ]]; then ln -sfn bash "$root/usr/bin/sh"; fi
  while IFS= read -r script; do
    install -D -m 755 "$here/../kubernetes/scripts/$script" "$root/usr/lib/paddock/$script"
  done < <(scripts_of "$image")
}

# The base image's own archive, unpacked.
make_base_root() {
  local archive=$images_to/base/slim.tar
  "$here/../base-image/build" slim "$archive"
  tar --extract --file "$archive" --directory "$1" --xattrs --xattrs-include='*' --acls \
    --numeric-owner --same-owner --preserve-permissions
}

# make_image IMAGE TREE
make_image() {
  local image=$1 tree=$2 work archive=$images_to/$1.tar
  work=$(mktemp -d "$images_to/.making.XXXXXX")
  mkdir -m 755 "$work/root"
  if [[ $image == sandbox-base ]]; then
    make_base_root "$work/root"
    dpkg-query "--admindir=$work/root/var/lib/dpkg" -W -f '${binary:Package} ${Version}\n' >"$work/packages"
  else
    make_root "$image" "$tree" "$work/root"
    packages_in "$tree" "$work/root" >"$work/packages"
  fi
  sbom "$image" <"$work/packages" >"${archive%.tar}.spdx.json"
  install -D -m 644 "${archive%.tar}.spdx.json" "$work/root/usr/share/paddock/$image.spdx.json"
  pack_image "$image" "$work/root" "$(settings_of "$image")" "$archive"
  rm -rf --one-file-system "$work"
}
