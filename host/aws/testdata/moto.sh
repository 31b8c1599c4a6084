#!/bin/sh
# Runs a script beside this one with moto, a server that speaks the protocols of AWS's services: moto_server.py, or the one that is named. What it
# needs, in the versions of moto.txt, is installed from PyPI once, below the user's cache. Exit code 3: that could not be done.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^moto==//p' "$here/moto.txt")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/postern-test
dir=$cache/moto-$version

install() {
  mkdir -p "$cache"
  fresh=$(mktemp -d "$cache/moto.XXXXXX")
  python3 -m venv "$fresh" >&2 &&
    "$fresh/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$here/moto.txt" >&2 &&
    "$fresh/bin/python" -c 'import moto.server' >&2 || { rm -rf "$fresh"; return 1; }
  python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$fresh" "$dir" 2>/dev/null || rm -rf "$fresh" # somebody else was first
}

[ -x "$dir/bin/python" ] || install || {
  echo "moto $version needs Python 3 and PyPI: apt-get install python3-venv" >&2
  exit 3
}
exec "$dir/bin/python" "$here/${1:-moto_server.py}"
