# shellcheck shell=bash disable=SC2034
# Sourced: which PostgreSQL the scripts build against and run.
#
# Sets PG_CONFIG unless the caller did, pg_bindir, pg_pkglibdir and pg_sharedir.
if [ -z "${PG_CONFIG:-}" ]; then
  # Debian's pg_config in /usr/bin answers for the newest version installed, wanted or not.
  PG_CONFIG=/usr/lib/postgresql/15/bin/pg_config
  [ -x "$PG_CONFIG" ] || PG_CONFIG=$(command -v pg_config) || {
    echo "no pg_config; run scripts/setup.sh, or set PG_CONFIG" >&2
    exit 1
  }
fi
pg_bindir=$("$PG_CONFIG" --bindir)
pg_pkglibdir=$("$PG_CONFIG" --pkglibdir)
pg_sharedir=$("$PG_CONFIG" --sharedir)
