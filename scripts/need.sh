#!/bin/sh
# Makes sure that programs are there, installing their Debian packages where they are not.
#
#   scripts/need.sh chromium gcc postgresql:initdb
#
# Each argument is package:command, or one word when both are the same. Nothing is done for a command that is found, in
# PATH or where Debian keeps the programs of PostgreSQL's server.
# Needs apt-get, and root or sudo without a password; without them it says what to install, and fails.
set -eu

found() {
	command -v "$1" >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/"$1" >/dev/null 2>&1
}

missing=
for need in "$@"; do
	package=${need%%:*}
	command=${need#*:}
	found "$command" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	as_root='sudo -n'
fi
if ! command -v apt-get >/dev/null 2>&1 || ! $as_root true >/dev/null 2>&1; then
	echo "need.sh: please install these packages, then try again:$missing" >&2
	exit 1
fi

install() {
	# shellcheck disable=SC2086 # several words on purpose
	DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y --no-install-recommends -qq $missing >"$log" 2>&1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

echo "need.sh: installing$missing"
# A fresh machine has no package lists, and an old one stale ones: they are fetched only when the first try fails.
if ! install && ! { $as_root apt-get update -qq && install; }; then
	cat "$log" >&2
	echo "need.sh: could not install$missing" >&2
	exit 1
fi

for need in "$@"; do
	command=${need#*:}
	if ! found "$command"; then
		echo "need.sh: package ${need%%:*} is installed but has no command $command" >&2
		exit 1
	fi
done
