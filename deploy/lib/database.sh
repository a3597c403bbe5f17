# shellcheck shell=bash
# The embedded database: a PostgreSQL cluster of our own, on a Unix socket only, run as the user
# postgres. Needs common.sh, process.sh.

readonly POSTGRES_BIN=/usr/lib/postgresql/15/bin

postgres_data() { echo "$PADDOCK_HOME/postgres/data"; }
# Paths of sockets end at 107 bytes; a long PADDOCK_HOME has its socket elsewhere.
postgres_socket_dir() {
  local directory=$PADDOCK_HOME/postgres/run
  if ((${#directory} > 80)); then
    directory=/run/paddock/postgres-$(sha256sum <<<"$PADDOCK_HOME" | cut -c1-12)
  fi
  echo "$directory"
}

as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups --reset-env -- "$@"; }

postgres_ctl() { as_postgres "$POSTGRES_BIN/pg_ctl" -D "$(postgres_data)" -s "$@"; }
postgres_is_up() { as_postgres "$POSTGRES_BIN/pg_isready" -q -h "$(postgres_socket_dir)" -d postgres; }

percent_encode() {
  local text=$1 character i
  for ((i = 0; i < ${#text}; i++)); do
    character=${text:i:1}
    if [[ $character == [A-Za-z0-9._-] ]]; then
      printf '%s' "$character"
    else
      LC_ALL=C printf '%%%02X' "'$character"
    fi
  done
}

embedded_database_url() {
  printf 'postgresql://paddock:%s@%s/paddock\n' "$(<"$PADDOCK_HOME/secrets/postgres_password")" \
    "$(percent_encode "$(postgres_socket_dir)")"
}

# Durable (fsync and synchronous commit are PostgreSQL's defaults, said here because all rests on
# them), sized for a machine that runs sandboxes as well.
postgres_settings() {
  local memory_mib buffers
  memory_mib=$(awk '/^MemTotal:/ { print int($2 / 1024) }' /proc/meminfo)
  buffers=$((memory_mib / 32))
  ((buffers <= 512)) || buffers=512
  ((buffers >= 64)) || buffers=64
  cat <<END
listen_addresses = ''
unix_socket_directories = '$(postgres_socket_dir)'
unix_socket_permissions = 0777
max_connections = 200
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = lz4
max_wal_size = 2GB
min_wal_size = 256MB
checkpoint_timeout = 15min
shared_buffers = ${buffers}MB
jit = off
max_parallel_workers_per_gather = 0
random_page_cost = 1.1
autovacuum_naptime = 15s
autovacuum_vacuum_scale_factor = 0.05
log_destination = stderr
logging_collector = off
log_line_prefix = '%m [%p] '
log_timezone = UTC
timezone = UTC
idle_in_transaction_session_timeout = 5min
END
}

postgres_directories() {
  local home=$PADDOCK_HOME/postgres socket
  socket=$(postgres_socket_dir)
  mkdir -p "$home" "$socket" "$PADDOCK_HOME/log"
  chmod 755 "$home" "$socket"
  chown postgres:postgres "$home" "$socket"
  as_postgres test -x "$home" ||
    die "the user postgres can't enter $home: make the directories above it searchable (chmod o+x)"
  touch "$PADDOCK_HOME/log/postgres.log"
  chown postgres:postgres "$PADDOCK_HOME/log/postgres.log"
}

# Half-made clusters are made again: the last step renames.
postgres_init() {
  local data new password_file
  data=$(postgres_data)
  [[ ! -f $data/PG_VERSION ]] || return 0
  new=$data.new
  password_file=$PADDOCK_HOME/postgres/password.new
  rm -rf "$new"
  postgres_password | write_file "$password_file" 600
  chown postgres:postgres "$password_file"
  as_postgres "$POSTGRES_BIN/initdb" -D "$new" -U postgres -E UTF8 --locale=C.UTF-8 \
    --auth-local=scram-sha-256 --auth-host=scram-sha-256 --pwfile="$password_file"
  rm -f "$password_file"
  mv "$new" "$data"
}

postgres_password() {
  local file=$PADDOCK_HOME/secrets/postgres_password
  if [[ ! -s $file ]]; then openssl rand -hex 24 | write_file "$file" 600; fi
  cat "$file"
}

postgres_start() {
  local data
  data=$(postgres_data)
  # shellcheck disable=SC2016  # the inner shell expands it
  postgres_settings | as_postgres sh -c 'cat >"$1"' sh "$data/paddock.conf"
  grep -q '^include_if_exists' "$data/postgresql.conf" ||
    echo "include_if_exists = 'paddock.conf'" >>"$data/postgresql.conf"
  # A pid file of a boot ago whose pid another program has now would hold it up.
  postgres_ctl -w -t 120 -l "$PADDOCK_HOME/log/postgres.log" start 9>&-
}

# The role and the database, once.
postgres_schema() {
  local password
  password=$(postgres_password)
  PGPASSWORD=$password "$POSTGRES_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$(postgres_socket_dir)" \
    -U postgres -d postgres <<'END'
\getenv password PGPASSWORD
SELECT format('CREATE ROLE paddock LOGIN PASSWORD %L', :'password')
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'paddock') \gexec
SELECT 'CREATE DATABASE paddock OWNER paddock'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'paddock') \gexec
END
}

postgres_up() {
  postgres_directories
  postgres_init
  postgres_is_up || postgres_start
  postgres_schema
}

postgres_down() {
  [[ -f $(postgres_data)/PG_VERSION ]] || return 0
  if postgres_ctl status >/dev/null 2>&1; then postgres_ctl -w -t 120 -m fast stop; fi
}
