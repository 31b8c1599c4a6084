#!/bin/sh
# Installs what plugins in other languages than Go and JavaScript are built with, where it is missing: from the packages of Debian or Ubuntu, and
# Zig, which they do not have, from PyPI. With the name of a language it installs nothing, and fails, with how to install it, where it is missing.
# The READMEs beside this file say what each language needs.
set -eu

zig=0.17.1 # that sdk/zig is written for

has() { command -v "$1" >/dev/null 2>&1; }

# A Rust of rustup's gets its target from rustup; without any, Debian's has one as a package.
wasm_target() { test -d "$(rustc --print target-libdir --target "$1" 2>/dev/null)"; }

there() {
  case $1 in
  c) has make && has clang && has wasm-ld ;;
  assemblyscript) has npm ;;
  rust) has cargo && { wasm_target wasm32-wasip1 || wasm_target wasm32-wasi; } ;;
  zig) has zig || python3 -m ziglang version >/dev/null 2>&1 ;;
  go) has go ;;
  *) echo "there is no SDK for $1" >&2; exit 2 ;;
  esac
}

if [ $# -gt 0 ]; then
  there "$1" && exit
  case $1 in
  c) how='clang, lld and make, of your system' ;;
  assemblyscript) how=https://nodejs.org ;;
  rust) how='https://rustup.rs, then: rustup target add wasm32-wasip1' ;;
  zig) how="https://ziglang.org/download/, or: python3 -m pip install ziglang==$zig" ;;
  go) how=https://go.dev/dl/ ;;
  esac
  echo "$1 has no toolchain here. Install it: make toolchains (on Debian and Ubuntu), or $how" >&2
  exit 1
fi

packages=
need() { packages="$packages $*"; }

there c || need make clang lld
there assemblyscript || need nodejs npm
python3 -m pip --version >/dev/null 2>&1 || need python3 python3-pip
if ! there rust; then
  if has rustup; then rustup target add wasm32-wasip1; else need cargo rustc libstd-rust-dev-wasm32 lld; fi
fi

if [ -n "$packages" ]; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  # shellcheck disable=SC2086 # it is a list
  $as_root apt-get install -y -qq $packages
fi

there zig ||
  python3 -m pip install --quiet "ziglang==$zig" ||
  python3 -m pip install --quiet --break-system-packages "ziglang==$zig"
