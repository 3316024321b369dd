#!/bin/sh
# Run PostgreSQL on PGDATA, which is made at the first start. Arguments are those of postgres.
set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Made beside its place, as a start that is killed in the middle must not leave half of it.
    unfinished="$PGDATA.unfinished"
    rm -rf "$unfinished"
    initdb --pgdata="$unfinished" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    printf 'CREATE DATABASE "%s"\n' "$POSTGRES_DB" |
        postgres --single -j -D "$unfinished" postgres >/dev/null
    mv "$unfinished" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c unix_socket_directories=/tmp \
    -c listen_addresses="${POSTGRES_LISTEN:-127.0.0.1}" "$@"
