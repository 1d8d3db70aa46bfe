#!/bin/sh
# Sees to it that there is a Chromium for the browser tests: /usr/bin/chromium, or what CHROMIUM names.
set -eu
if [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq chromium >/dev/null
  exit 0
fi
echo "The browser tests need Chromium. Install it (Debian, Ubuntu: sudo apt-get install chromium)" >&2
echo "or name one: CHROMIUM=/path/to/chrome make test" >&2
exit 1
