#!/bin/sh
# Sees to it that there is an axe-core, in the version that tests/browser/package.json pins, for the tests of
# accessibility. It has no dependencies of its own.
set -eu
cd "$(dirname "$0")/browser"
installed=node_modules/axe-core/package.json
if [ -e "$installed" ] && [ ! package.json -nt "$installed" ]; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends npm >/dev/null
  else
    echo "The tests of accessibility need axe-core. Install npm (Debian, Ubuntu: sudo apt-get install npm)" >&2
    exit 1
  fi
fi
npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error >/dev/null
touch "$installed"
