#!/usr/bin/env bash
# Node.js and npm for the JavaScript verifier and its tests, where they are missing and can be installed; then its packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "node or npm is missing: the tests of the JavaScript verifier will be skipped (install nodejs and npm)" >&2
        exit 0
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nodejs npm >/dev/null
fi
make --no-print-directory check-page
