#!/usr/bin/env bash
# Builds the image without a container engine, then runs what it holds the way a container would.
#
#   tests/image/build.sh [FOLDER]
#
# Needs: Debian, root, about 3 GB in FOLDER (kept between runs; a second run is faster), a PostgreSQL, and
#   apt-get install buildah debootstrap curl postgresql-client
#
#   1. debootstrap makes a Debian with its Python 3.11; it stands in for the official base image
#   2. buildah builds the Dockerfile on top of it (storage driver vfs, isolation by chroot)
#   3. prepare, web, worker and poller run from the image on PostgreSQL as compose.yaml has them: each PID 1 of
#      its own namespace, as uid 10001, without capabilities, read-only but for /data and /tmp, secrets in files
#   4. `up` runs alone, as `docker run` would start it, with SQLite in an empty /data
#   Both are asked for /healthz, /readyz, a sign-in by link and a style sheet, then stopped by SIGTERM.
#
# From the environment, all optional:
#   PGHOST PGPORT PGUSER PGPASSWORD   the server; the script makes and drops its own database
#   REDIS_URL     a cache for step 3
#   PORT          where web listens meanwhile (8899)
#   MIRROR        a Debian mirror
#   CA_BUNDLE     certificates that pip must trust during the build
#   PIP_CONF      a pip.conf for the build; folders it names go into PIP_FOLDERS, separated by spaces
# Nothing of these reaches the Dockerfile or the image.
set -euo pipefail

tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(realpath -m "${1:-/var/tmp/loupe-image}")
port=${PORT:-8899}
here=http://127.0.0.1:$port
tag=3.11-slim-bookworm
database=loupe_image_$$
export PGHOST=${PGHOST:-127.0.0.1} PGPORT=${PGPORT:-5432} PGUSER=${PGUSER:-postgres}

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
now_ms() { date +%s%3N; }
in_storage() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
config() { in_storage inspect --type image --format "{{range .Docker.Config.$1}}{{println .}}{{end}}" loupe:trial | sed '/^$/d'; }

[ "$(id -u)" = 0 ] || fail "root is needed."
for tool in buildah debootstrap curl createdb unshare setpriv; do
    command -v "$tool" >/dev/null || fail "$tool is missing; the head of this file says what to install."
done
mkdir -p "$work"

declare -A leader=() shell=()
ending() {
    for name in "${!shell[@]}"; do kill -KILL "${shell[$name]}" 2>/dev/null || true; done  # its PID 1 dies with it
    wait
    dropdb --if-exists --force "$database" 2>/dev/null || true
    if [ -n "${holder:-}" ]; then in_storage rm "$holder" >/dev/null || true; fi
}
trap ending EXIT

# ---- 1, 2: base and image ----------------------------------------------------------------------

if ! in_storage inspect --type image "python:$tag" >/dev/null 2>&1; then
    say "base: debootstrap"
    rm -rf "$work/debian"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        bookworm "$work/debian" ${MIRROR:+"$MIRROR"} >"$work/debootstrap.log"
    rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/var/lib/apt/lists/*
    base=$(in_storage from scratch)
    in_storage add -q "$base" "$work/debian" / >/dev/null
    in_storage commit -q --rm "$base" "python:$tag" >/dev/null
    rm -rf "$work/debian"
fi

say "image: buildah bud"
mounts=()
[ -z "${CA_BUNDLE:-}" ] || mounts+=(--volume "$CA_BUNDLE:/etc/ssl/certs/ca-certificates.crt:ro")
[ -z "${PIP_CONF:-}" ] || mounts+=(--volume "$PIP_CONF:/etc/pip.conf:ro")
for folder in ${PIP_FOLDERS:-}; do mounts+=(--volume "$folder:$folder:ro"); done
in_storage rmi --force loupe:trial >/dev/null 2>&1 || true
began=$(now_ms)
in_storage bud --isolation chroot --pull-never --format docker --no-cache \
    "${mounts[@]}" --tag loupe:trial "$tree" >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log"; fail "the build"; }
echo "built in $(( ($(now_ms) - began) / 1000 )) s"
in_storage images --format '{{.Name}}:{{.Tag}}  {{.Size}}'

holder=$(in_storage from --pull-never loupe:trial)
root=$(in_storage mount "$holder")
du -sh "$root/venv" "$root/app" | sed "s|$root||"
mapfile -t environment < <(config Env)
mapfile -t entrypoint < <(config Entrypoint)
mapfile -t command < <(config Cmd)
user=$(in_storage inspect --type image --format '{{.Docker.Config.User}}' loupe:trial)
folder=$(in_storage inspect --type image --format '{{.Docker.Config.WorkingDir}}' loupe:trial)
held=$(cd "$root/app" && echo *)
[ "$held" = "LICENSE collected dashboard manage.py requirements.lock reviewqueue static templates" ] \
    || fail "/app holds $held"
strays=$(find "$root/venv" "$root/app" "$root/data" "$root/tmp" "$root/root" \( -name '*.po' -o -name .cache -o -name pip \
    -o -name .env -o -name secret-key -o -name '*.sqlite3' -o -name docs -path '*/dashboard/*' \) -print)
[ -z "$strays" ] || fail "left in the image: $strays"

# ---- 3, 4: running it --------------------------------------------------------------------------

# contain DATA VARIABLE=… -- ARGUMENT…    runs it as PID 1; takes the place of this shell
contain() {
    local data=$1 settings=()
    shift
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    shift
    # shellcheck disable=SC2016 # expanded by the inner shell
    exec unshare --mount --pid --fork --kill-child bash -ec '
        root=$1 data=$2 secrets=$3; shift 3
        mount --bind "$root" "$root" && mount -o remount,bind,ro "$root"
        mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev"
        for place in dev/shm tmp run; do mount -t tmpfs -o mode=1777,noexec,nosuid,nodev tmpfs "$root/$place"; done
        mount --bind "$data" "$root/data"
        mkdir "$root/run/secrets" && mount --bind "$secrets" "$root/run/secrets"
        exec chroot "$root" "$@"' contain "$root" "$data" "$work/secrets" \
        setpriv --reuid="${user%:*}" --regid="${user#*:}" --clear-groups --no-new-privs --bounding-set=-all \
        env -i --chdir="$folder" "${environment[@]}" "${settings[@]}" "$@"
}

# start NAME DATA VARIABLE=… -- ARGUMENT…
start() {
    local name=$1
    shift
    contain "$@" >"$work/$name.log" 2>&1 &
    shell[$name]=$!
    until leader[$name]=$(pgrep -P "${shell[$name]}"); do sleep 0.05; done
}

# stop NAME [CODE]
stop() {
    local began code=0
    began=$(now_ms)
    kill -TERM "${leader[$1]}"
    wait "${shell[$1]}" || code=$?
    echo "$1 ended with $code, $(( $(now_ms) - began )) ms after SIGTERM"
    unset "shell[$1]"
    [ "$code" = "${2:-0}" ] || { tail -n 20 "$work/$1.log"; fail "$1 did not end as it should"; }
}

wait_for() {
    local answer
    for _ in $(seq 300); do
        if answer=$(curl -sf --max-time 5 "$here$1"); then echo "$1  $answer"; return; fi
        sleep 0.5
    done
    curl -s "$here$1" || true
    tail -n 20 "$work"/*.log
    fail "$1 does not answer ok"
}

sign_in() {
    local link page token code sheet
    link=$(contain "$@" "${entrypoint[@]}" sign_in_link)
    rm -f "$work/cookies"
    page=$(curl -sf -c "$work/cookies" "$link") || fail "the page of the sign-in link"
    token=$(grep -o 'name="csrfmiddlewaretoken" value="[^"]*' <<<"$page" | head -n 1 | sed 's/.*"//')
    code=$(curl -s -o /dev/null -w '%{http_code}' -b "$work/cookies" -c "$work/cookies" -H "Origin: $here" \
        --data-urlencode "csrfmiddlewaretoken=$token" "$link")
    [ "$code" = 302 ] || fail "the sign-in link answered $code"
    page=$(curl -sf -b "$work/cookies" "$here/") || fail "the queue after signing in"
    sheet=$(grep -o '/static/[^"]*\.css' <<<"$page" | head -n 1)
    curl -sf -H 'Accept-Encoding: br' -o /dev/null -D - "$here$sheet" | grep -i '^content-encoding: br' >/dev/null \
        || fail "$sheet is not there or not compressed"
    echo "signed in by link; the queue has $(wc -c <<<"$page") bytes; $sheet comes compressed"
}

# The image's own health check, with the port of this trial.
health() {
    local check
    mapfile -t check < <(config Healthcheck.Test | sed "s/8000/$port/")
    (contain "$@" "${check[@]:1}") || fail "the health check of the image"
    echo "HEALTHCHECK ok"
}

rm -rf "$work/data" "$work/alone" "$work/secrets" "$work/web.log" "$work/worker.log" "$work/poller.log" "$work/up.log"
mkdir -p "$work/secrets"
install -d -m 750 -o "${user%:*}" -g "${user#*:}" "$work/data" "$work/alone"
createdb "$database"
head -c 48 /dev/urandom | base64 >"$work/secrets/secret-key"
head -c 32 /dev/urandom | base64 | tr '+/' '-_' >"$work/secrets/encryption-keys"
echo "postgres://$PGUSER${PGPASSWORD:+:$PGPASSWORD}@$PGHOST:$PGPORT/$database" >"$work/secrets/database-url"
together=(
    "$work/data" "LOUPE_BIND=127.0.0.1:$port" "LOUPE_PUBLIC_URL=$here" LOUPE_ALLOWED_HOSTS=review.example
    LOUPE_SECRET_KEY_FILE=/run/secrets/secret-key LOUPE_ENCRYPTION_KEYS_FILE=/run/secrets/encryption-keys
    LOUPE_DATABASE_URL_FILE=/run/secrets/database-url ${REDIS_URL:+"LOUPE_REDIS_URL=$REDIS_URL"} --
)
alone=("$work/alone" "LOUPE_BIND=127.0.0.1:$port" --)

say "prepare, web, worker and poller on PostgreSQL"
began=$(now_ms)
(contain "${together[@]}" "${entrypoint[@]}" prepare)
echo "prepared in $(( ($(now_ms) - began) / 1000 )) s"
start web "${together[@]}" "${entrypoint[@]}" serve --workers 2
start worker "${together[@]}" "${entrypoint[@]}" qcluster
start poller "${together[@]}" "${entrypoint[@]}" runpoller
wait_for /healthz
wait_for /readyz
health "${together[@]}"
for name in worker poller; do (contain "${together[@]}" "${entrypoint[@]}" alive "$name") && echo "$name alive"; done
sign_in "${together[@]}"
for name in poller worker web; do stop "$name"; done
[ -z "$(find "$work/data" -name 'secret-key' -o -name 'encryption-keys' -o -name 'loupe.sqlite3')" ] \
    || fail "a key or a database was made in /data although both were given"

say "up, alone; stopped while it fills the sandbox, then started again"
start up "${alone[@]}" "${entrypoint[@]}" "${command[@]}"
until grep -q Filling "$work/up.log"; do sleep 0.2; done
stop up 143
began=$(now_ms)
start up "${alone[@]}" "${entrypoint[@]}" "${command[@]}"
wait_for /readyz
echo "ready after $(( ($(now_ms) - began) / 1000 )) s"
health "${alone[@]}"
sign_in "${alone[@]}"
stop up
say "all well"
