#!/bin/sh
# Builds host/quickjs/quickjs.wasm from QuickJS-ng's sources, which come with the crate rquickjs-sys, and from postern.c.
# Needs: cargo (to get the crate), clang-19, lld-19, wasi-libc, libclang-rt-19-dev-wasm32, binaryen: apt-get install them on Debian 12.
# ORIGIN has the versions and checksums of what was built; the same inputs give the same bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/^crate: rquickjs-sys //p' "$here/../ORIGIN")
want=$(sed -n 's/^sources: sha256 //p' "$here/../ORIGIN")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/get"
cd "$work/get"
printf '[package]\nname = "get"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nrquickjs-sys = "=%s"\n[lib]\npath = "lib.rs"\n' "$version" >Cargo.toml
: >lib.rs
cargo vendor --quiet >/dev/null
cp -r vendor/rquickjs-sys/quickjs "$work/src"
cd "$work/src"
got=$(LC_ALL=C cat libregexp.c libunicode.c quickjs.c dtoa.c $(LC_ALL=C ls ./*.h) | sha256sum | cut -d' ' -f1)
if [ "$got" != "$want" ]; then
	echo "the sources have sha256 $got; ORIGIN says $want" >&2
	exit 1
fi
patch -s -p0 <"$here/quickjs.patch"
cp "$here/postern.c" .

stack=655360
builtins=/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a
clang-19 --target=wasm32-wasi --sysroot=/ -isystem /usr/include/wasm32-wasi -nodefaultlibs -nostartfiles -mexec-model=reactor \
	-Oz -DNDEBUG -D_GNU_SOURCE -DEMSCRIPTEN=1 -DFE_DOWNWARD=0 -DFE_UPWARD=0 -DPOSTERN_LIMIT=400000 -D_WASI_EMULATED_SIGNAL \
	-mbulk-memory -msign-ext -mmutable-globals -mnontrapping-fptoint -w -ffile-prefix-map="$work"=. \
	-Wl,--stack-first -Wl,-z,stack-size=$stack -Wl,--strip-debug -Wl,--export=__stack_pointer \
	/usr/lib/wasm32-wasi/crt1-reactor.o libregexp.c libunicode.c quickjs.c dtoa.c postern.c \
	-L/usr/lib/wasm32-wasi -lc "$builtins" -o out.wasm
wasm-opt -Oz --enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int --enable-mutable-globals out.wasm -o "$here/../quickjs.wasm"
sha256sum "$here/../quickjs.wasm"
