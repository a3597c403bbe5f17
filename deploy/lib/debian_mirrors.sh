# shellcheck shell=bash
# Where this machine gets Debian from, asked of its own apt. Needs common.sh, packages.sh.

# mirror_labelled LABEL: the address of the first configured archive whose signed Release file says so.
mirror_labelled() {
  # shellcheck disable=SC2016  # apt replaces it
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Label: $1" |
    head -n 1
}

# debian_mirrors SUITE: lines of a sources.list of that suite, with updates and security fixes.
debian_mirrors() {
  local suite=$1 main security
  main=$(mirror_labelled Debian)
  if [[ -z $main ]]; then
    apt_get update >/dev/null
    main=$(mirror_labelled Debian)
  fi
  [[ -n $main ]] || die "apt on this machine has no archive of Debian (apt-get indextargets)"
  security=$(mirror_labelled Debian-Security)
  echo "deb $main $suite main"
  echo "deb $main $suite-updates main"
  [[ -z $security ]] || echo "deb $security $suite-security main"
}

# apt_network_options: how this machine's apt reaches its mirrors (proxies, their certificates), one
# option a line.
apt_network_options() {
  apt-config dump | grep -iE '^Acquire::(https?|ftp)::.*(proxy|cainfo|verify|no-cache)' |
    sed 's/;$//' || true
}
