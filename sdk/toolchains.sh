#!/bin/sh
# Installs what plugins in other languages than Go and JavaScript are built with, where it is missing: from the packages of Debian or Ubuntu, and
# Zig, which they do not have, from PyPI. The READMEs beside this file say what each language needs.
set -eu

zig=0.17.1 # that sdk/zig is written for

has() { command -v "$1" >/dev/null 2>&1; }
packages=
need() { packages="$packages $*"; }

has make || need make
has clang && has wasm-ld || need clang lld
has npm || need nodejs npm
python3 -m pip --version >/dev/null 2>&1 || need python3 python3-pip

# A Rust of rustup's gets its target from rustup; without any, Debian's has one as a package.
wasm_target() { test -d "$(rustc --print target-libdir --target "$1" 2>/dev/null)"; }
if ! has cargo || ! { wasm_target wasm32-wasip1 || wasm_target wasm32-wasi; }; then
  if has rustup; then rustup target add wasm32-wasip1; else need cargo rustc libstd-rust-dev-wasm32 lld; fi
fi

if [ -n "$packages" ]; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  # shellcheck disable=SC2086 # it is a list
  $as_root apt-get install -y -qq $packages
fi

has zig || python3 -m ziglang version >/dev/null 2>&1 ||
  python3 -m pip install --quiet "ziglang==$zig" ||
  python3 -m pip install --quiet --break-system-packages "ziglang==$zig"
