# shellcheck shell=bash
# Carves a small root file system out of a Debian one: the files that are named, and the shared
# libraries that programs among them load. Needs common.sh.
#
# Trees are usr-merged: names begin with /usr where Debian 12 links to it.

# normal PATH: without the links of the merge.
normal() { sed -E 's,^/(bin|sbin|lib|lib32|lib64|libx32)(/|$),/usr/\1\2,' <<<"$1"; }

# copy_path TREE ROOT PATH: a file, link (with what it leads to) or directory, parents made.
copy_path() {
  local tree=$1 root=$2 path target
  path=$(normal "$3")
  [[ -e $tree$path || -L $tree$path ]] || die "Debian's tree has no $path"
  [[ ! -e $root$path && ! -L $root$path ]] || [[ -d $root$path ]] || return 0
  mkdir -p "$root$(dirname "$path")"
  cp -a --no-target-directory "$tree$path" "$root$path"
  if [[ -L $tree$path ]]; then
    target=$(readlink "$tree$path")
    [[ $target == /* ]] || target=$(dirname "$path")/$target
    copy_path "$tree" "$root" "$(realpath -ms "$target")"
  fi
}

# package_programs TREE PACKAGE…: what Debian's packages have in directories of programs.
package_programs() {
  local tree=$1
  shift
  dpkg-query "--admindir=$tree/var/lib/dpkg" -L "$@" | grep -E '^(/usr)?/s?bin/[^/]+$' | sort -u
}

is_elf() { [[ -f $1 && ! -L $1 && $(head -c 4 "$1" | tr -d '\0') == $'\x7fELF' ]]; }

# libraries_of TREE FILE…: absolute names, as the loader finds them.
libraries_of() {
  local tree=$1
  shift
  { chroot "$tree" ldd "$@" 2>/dev/null || true; } | sed -nE 's,^.* => (/[^ ]+) .*$,\1,p; s,^[[:space:]]+(/[^ ]+) \(0x.*$,\1,p' | sort -u
}

# ldd fails for static programs, which need none.
missing_libraries() {
  { chroot "$1" ldd "$2" 2>/dev/null || true; } | sed -n 's/^[[:space:]]*\([^ ]*\) => not found$/\1/p'
}

# carve TREE ROOT PATH…
carve() {
  local tree=$1 root=$2 path directory missing
  local -a programs=()
  shift 2
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{etc,proc,sys,dev,run,var,tmp}
  chmod 1777 "$root/tmp"
  for directory in bin sbin lib lib64; do ln -sfn "usr/$directory" "$root/$directory"; done
  for path in "$@"; do copy_path "$tree" "$root" "$path"; done
  while IFS= read -r path; do
    is_elf "$path" || continue
    path=${path#"$root"}
    missing=$(missing_libraries "$tree" "$path")
    [[ -z $missing ]] || die "$path needs $missing, which Debian's tree lacks"
    programs+=("$path")
  done < <(find "$root/usr" -type f)
  # The libraries' own are in the list: the loader names all of them.
  while IFS= read -r path; do copy_path "$tree" "$root" "$path"; done < <(libraries_of "$tree" "${programs[@]}")
  find "$root" -name '*.pyc' -delete
}

# packages_in TREE ROOT: `package version` of every Debian package that a file of ROOT came from.
packages_in() {
  local tree=$1 root=$2
  (cd "$root" && find . \( -type f -o -type l \) -printf '/%P\n') >"$root.files"
  {
    cat "$root.files"
    sed -n -E 's,^/usr(/(bin|sbin|lib|lib64)/),\1,p' "$root.files"
  } | sort -u | grep -vxE '/(bin|sbin|lib|lib64)' >"$root.names"
  (
    cd "$tree/var/lib/dpkg/info" || exit
    grep -Fx -l -f "$root.names" -- *.list || true
  ) | sed 's/\.list$//' | while IFS= read -r package; do
    # shellcheck disable=SC2016  # dpkg replaces it
    dpkg-query "--admindir=$tree/var/lib/dpkg" -W -f '${binary:Package} ${Version}\n' "$package"
  done | sort -u
  rm -f "$root.files" "$root.names"
}
