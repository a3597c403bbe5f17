# shellcheck shell=bash
# A certificate authority of our own and what it signs (EC P-256). Needs common.sh.
#
# Roles are in the subject alternative names: `URI:paddock:control-plane`, `URI:paddock:node/<id>`.
# The certificate of the public port has none.

readonly PKI_DAYS=825

pki_host_names() {
  local names="DNS:localhost,IP:127.0.0.1,IP:::1" name
  for name in "$(hostname)" "$(hostname -f 2>/dev/null || true)"; do
    if [[ $name =~ ^[A-Za-z0-9.-]+$ && $name != localhost ]]; then names+=",DNS:$name"; fi
  done
  echo "$names"
}

# pki_ca DIRECTORY: makes ca.crt and ca.key unless they are there.
pki_ca() {
  local directory=$1
  mkdir -p "$directory"
  chmod 700 "$directory"
  [[ ! -s $directory/ca.crt || ! -s $directory/ca.key ]] || return 0
  (
    umask 077
    openssl ecparam -name prime256v1 -genkey -noout -out "$directory/ca.key.new"
    openssl req -x509 -new -key "$directory/ca.key.new" -sha256 -days 3650 \
      -subj "/O=Paddock/CN=Paddock CA $(openssl rand -hex 4)" \
      -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
      -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$directory/ca.crt.new"
    mv "$directory/ca.key.new" "$directory/ca.key"
    mv "$directory/ca.crt.new" "$directory/ca.crt"
  )
  chmod 644 "$directory/ca.crt"
}

# pki_is_good DIRECTORY NAME SAN: the certificate exists, is ours, has a month to live and these names.
pki_is_good() {
  local directory=$1 name=$2 san=$3
  [[ -s $directory/$name.crt && -s $directory/$name.key ]] || return 1
  [[ -f $directory/$name.san && $(<"$directory/$name.san") == "$san" ]] || return 1
  openssl x509 -in "$directory/$name.crt" -noout -checkend $((30 * 86400)) >/dev/null || return 1
  openssl verify -CAfile "$directory/ca.crt" "$directory/$name.crt" >/dev/null 2>&1
}

# pki_certificate DIRECTORY NAME [ROLE]: NAME.crt and NAME.key, for servers and clients.
pki_certificate() {
  local directory=$1 name=$2 role=${3:-} san
  san=$(pki_host_names)
  [[ -z $role ]] || san+=",URI:paddock:$role"
  ! pki_is_good "$directory" "$name" "$san" || return 0
  (
    umask 077
    openssl ecparam -name prime256v1 -genkey -noout -out "$directory/$name.key.new"
    openssl req -new -key "$directory/$name.key.new" -subj "/O=Paddock/CN=paddock $name" \
      -out "$directory/$name.csr"
    openssl x509 -req -in "$directory/$name.csr" -CA "$directory/ca.crt" -CAkey "$directory/ca.key" \
      -set_serial "0x$(openssl rand -hex 16)" -sha256 -days "$PKI_DAYS" -out "$directory/$name.crt.new" \
      -extfile <(
        echo "basicConstraints=critical,CA:FALSE"
        echo "keyUsage=critical,digitalSignature"
        echo "extendedKeyUsage=serverAuth,clientAuth"
        echo "subjectAltName=$san"
      ) 2>/dev/null
    rm -f "$directory/$name.csr"
    mv "$directory/$name.key.new" "$directory/$name.key"
    mv "$directory/$name.crt.new" "$directory/$name.crt"
  )
  chmod 644 "$directory/$name.crt"
  printf '%s' "$san" >"$directory/$name.san"
}
