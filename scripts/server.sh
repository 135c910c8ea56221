# shellcheck shell=bash
# Sourced: a private PostgreSQL server for this checkout.
#
# It listens on a unix socket in its own folder only, so it meets no other server, and only the
# user it runs as (and root) can reach it. That user is `postgres` when the caller is root,
# which PostgreSQL refuses to run as, else the caller.
#
# Usage:  . scripts/server.sh; server_start; server_database NAME
# Then PGHOST, PGPORT and PGUSER point to the server. The data stay under build/pg.
server_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/postgres.sh
. "$server_root/scripts/postgres.sh"
# Names the socket file only. Not 5432, so that a client without PGHOST does not find another one.
server_port=54329
if [ "$(id -u)" -eq 0 ]; then server_user=postgres; else server_user=$(id -un); fi

# as_server_user COMMAND...: runs it as the user of the server, from a folder that user can enter.
as_server_user() (
  cd /
  if [ "$(id -u)" -eq 0 ]; then
    exec runuser -u "$server_user" -- env "HOME=$server_folder" "$@"
  fi
  exec "$@"
)

# server_usable FOLDER: whether the server's user can work there and a socket's path fits
# (107 bytes is Linux's limit).
server_usable() {
  local socket=$1/socket/.s.PGSQL.$server_port
  [ "$(printf %s "$socket" | wc -c)" -le 107 ] && as_server_user test -w "$1" -a -x "$1"
}

# server_find_folder: sets server_folder. Under build/ where that works; else under /tmp, noted in
# build/pg.location, as with a checkout in /root or at the end of a very long path.
server_find_folder() {
  local note=$server_root/build/pg.location
  server_folder=$server_root/build/pg
  mkdir -p "$server_folder"
  if [ "$(id -u)" -eq 0 ]; then chown "$server_user" "$server_folder"; fi
  chmod 700 "$server_folder"
  server_usable "$server_folder" && return
  # /tmp is everyone's: a folder there is ours only if the server's user owns it.
  if [ -s "$note" ]; then
    server_folder=$(cat "$note")
    [ -d "$server_folder" ] && [ ! -L "$server_folder" ] &&
      [ "$(stat -c %U "$server_folder")" = "$server_user" ] && return
  fi
  server_folder=$(mktemp -d /tmp/trails-pg.XXXXXX)
  if [ "$(id -u)" -eq 0 ]; then chown "$server_user" "$server_folder"; fi
  echo "$server_folder" >"$note"
}

# server_init: creates the cluster, whole or not at all.
server_init() {
  local new=$server_folder/data.new
  rm -rf "$new"
  as_server_user "$pg_bindir/initdb" --pgdata="$new" --username=postgres --auth=trust \
    --encoding=UTF8 --locale=C.UTF-8 >"$server_root/build/initdb.log" 2>&1 || {
    cat "$server_root/build/initdb.log" >&2
    return 1
  }
  as_server_user tee -a "$new/postgresql.conf" <<<"include 'private.conf'" >/dev/null &&
    mv "$new" "$server_folder/data"
}

# server_configure: written before each start, since the folder may have moved with the checkout.
server_configure() {
  as_server_user mkdir -p -m 700 "$server_folder/socket"
  as_server_user tee "$server_folder/data/private.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '${server_folder//\'/\'\'}/socket'
unix_socket_permissions = 0700
port = $server_port
shared_buffers = '256MB'
fsync = on
log_line_prefix = '%m [%p] %q%u@%d '
CONF
}

server_running() {
  as_server_user "$pg_bindir/pg_ctl" --pgdata="$server_folder/data" status >/dev/null 2>&1
}

server_stop() {
  server_running || return 0
  as_server_user "$pg_bindir/pg_ctl" --pgdata="$server_folder/data" --mode=fast --silent stop
}

# server_start: creates and starts the server where needed, restarts it when a library was
# installed since, and points PGHOST, PGPORT and PGUSER to it.
server_start() {
  if [ ! -e "$pg_sharedir/extension/trails.control" ] || [ ! -e "$pg_pkglibdir/trails.so" ]; then
    echo "trails is not installed in $pg_pkglibdir; run scripts/setup.sh" >&2
    return 1
  fi
  mkdir -p "$server_root/build"
  server_find_folder
  local data=$server_folder/data lock
  exec {lock}>"$server_root/build/.server.lock"
  flock "$lock"
  [ -e "$data/PG_VERSION" ] || server_init || return 1
  if server_running && { [ "$pg_pkglibdir/trails.so" -nt "$data/postmaster.pid" ] ||
    [ "$pg_pkglibdir/trails_engine.so" -nt "$data/postmaster.pid" ]; }; then
    server_stop
  fi
  if ! server_running; then
    server_configure
    # The server must not inherit the lock, nor keep the caller's output open.
    as_server_user "$pg_bindir/pg_ctl" --pgdata="$data" --log="$server_folder/log" --wait \
      --timeout=60 --silent start {lock}>&- >/dev/null 2>&1 </dev/null || {
      echo "the private server did not start; the end of $server_folder/log:" >&2
      tail -n 20 "$server_folder/log" >&2
      return 1
    }
  fi
  exec {lock}>&-
  unset PGSERVICE PGHOSTADDR PGPASSWORD PGPASSFILE PGREQUIRESSL PGSSLMODE PGTARGETSESSIONATTRS
  export PGHOST=$server_folder/socket PGPORT=$server_port PGUSER=postgres
}

# server_database NAME: creates the database with the extension where needed, and sets PGDATABASE.
server_database() {
  export PGDATABASE=$1
  local psql=("$pg_bindir/psql" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1)
  local found lock
  # Two at once would both find nothing and both create.
  exec {lock}>"$server_root/build/.database.lock"
  flock "$lock"
  found=$("${psql[@]}" --dbname=postgres --set=name="$1" <<<"SELECT 1 FROM pg_database WHERE datname = :'name'")
  [ -n "$found" ] || "$pg_bindir/createdb" --maintenance-db=postgres "$1" || return 1
  PGOPTIONS="-c client_min_messages=warning" "${psql[@]}" --command='CREATE EXTENSION IF NOT EXISTS trails' ||
    return 1
  exec {lock}>&-
}
