#!/bin/sh
# Sees to it that there are a Firefox for its tests, Debian's or what FIREFOX names, and a PulseAudio as its sound card.
set -eu
if [ -x "${FIREFOX:-/usr/bin/firefox-esr}" ] && command -v pulseaudio >/dev/null && command -v paplay >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends firefox-esr pulseaudio pulseaudio-utils >/dev/null
  exit 0
fi
echo "Firefox's tests need it and PulseAudio. Install them (Debian: sudo apt-get install firefox-esr pulseaudio" >&2
echo "pulseaudio-utils), or name another Firefox: FIREFOX=/path/to/firefox make test" >&2
exit 1
