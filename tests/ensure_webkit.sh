#!/bin/sh
# Installs WebKitGTK's MiniBrowser for its smoke test where that is possible; elsewhere the test is skipped.
set -eu
if [ -x /usr/bin/WebKitWebDriver ] && [ -x /usr/bin/Xvfb ]; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get install -y -qq --no-install-recommends webkit2gtk-driver xvfb gstreamer1.0-plugins-good \
    gstreamer1.0-pulseaudio >/dev/null 2>&1 || true
fi
