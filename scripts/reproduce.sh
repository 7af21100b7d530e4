#!/usr/bin/env bash
# Builds the program twice, from copies of the tree in two folders and each with a cache of its own, and compares the results.
# The pages are those that were built. It takes some minutes and as much memory as any build.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir" && rm -rf "$dir"' EXIT
for n in one two-with-a-longer-name; do
	mkdir -p "$dir/$n"
	git ls-files -z --cached --others --exclude-standard | grep -zv '^\.tools' | tar --null --files-from - --create --file - | tar --extract --directory "$dir/$n"
	cp -R web/dist/. "$dir/$n/web/dist/"
	(cd "$dir/$n" && GOCACHE="$dir/cache-$n" CGO_ENABLED=0 "${GO:-go}" build -trimpath -buildvcs=false -pgo=cmd/headsup/headsup.pgo -o "$dir/$n.bin" ./cmd/headsup)
	rm -rf "$dir/cache-$n"
done
sha256sum "$dir"/*.bin | sed "s|$dir/||"
cmp "$dir"/*.bin
echo "both builds are the same"
