#!/bin/sh
# Builds libblockrepl_native.so in the directory $1 with the system's compiler. The solution's build calls it.
# Complaints have the form that MSBuild shows as errors.
# With a second argument "test", builds with the sanitizers and runs the library's own tests.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
mode=${2:-}

missing() {
    echo "native/build.sh : error BR0001: $1 is missing: apt-get install $2" >&2
    exit 1
}

command -v cmake >/dev/null || missing cmake cmake
command -v cc >/dev/null || missing "a C compiler" gcc
command -v make >/dev/null || missing make make
echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1 || missing "the C library's headers" libc6-dev
echo '#include <liburing.h>' | cc -E - >/dev/null 2>&1 || missing liburing.h liburing-dev

if [ "$mode" = test ]; then
    cmake -S "$here" -B "$out" -G 'Unix Makefiles' -DCMAKE_BUILD_TYPE=Debug -DBLOCKREPL_SANITIZE=ON >/dev/null
    cmake --build "$out"
    ctest --test-dir "$out" --output-on-failure
else
    cmake -S "$here" -B "$out" -G 'Unix Makefiles' >/dev/null
    cmake --build "$out" --target blockrepl_native
fi
