#!/bin/sh
# Says something to somebody, waits until it is delivered, and prints what became of it.
#
#   sh curl.sh dl_ann "Your build is done."
#
# HEADSUP_SERVER is where the server is, HEADSUP_KEY an API key if it wants one. KEY names what is said: with the same one it
# is said once, however often this runs.
set -eu

if [ $# -ne 2 ]; then
	echo 'usage: sh curl.sh USER TEXT' >&2
	exit 2
fi

url=${HEADSUP_SERVER:-http://127.0.0.1:3978}
key=${KEY:-curl-$(date +%s)-$$}
user=$1
text=$2

call() {
	set -- --silent --show-error --fail-with-body --retry 3 "$@"
	if [ -n "${HEADSUP_KEY:-}" ]; then # not as an argument, which everybody on the machine can read
		printf 'header = "Authorization: Bearer %s"\n' "$HEADSUP_KEY" | curl --config - "$@"
	else
		curl "$@"
	fi
}

# Texts with quotes or newlines need a program that writes JSON, such as jq.
answer=$(call "$url/v1/notifications" \
	-H 'Content-Type: application/json' \
	-H "Idempotency-Key: $key" \
	-d "{\"to\": {\"user\": \"$user\"}, \"text\": \"$text\"}") || {
	echo "$answer" >&2 # what is wrong, as JSON
	exit 1
}

member() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
id=$(printf %s "$answer" | member id)
state=$(printf %s "$answer" | member state)

while :; do
	case $state in
	scheduled | ready | held | sending) ;;
	*) break ;;
	esac
	sleep 0.2
	state=$(call "$url/v1/notifications/$id" | member state)
done

echo "$id $state"
[ "$state" = delivered ]
