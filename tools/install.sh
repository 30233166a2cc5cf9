#!/usr/bin/env bash
# Installs, on Debian, the packages named in the arguments that are missing. Called by demo.sh and test.sh.
set -euo pipefail
missing=()
for package in "$@"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
if ! command -v apt-get >/dev/null || { [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
  echo "install.sh: missing: ${missing[*]}; expected apt-get and, but for root, sudo. Install them (or what your system calls them) and run this again:" >&2
  echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "installing: ${missing[*]}"
# Right after boot apt's own daily job holds its locks: of the lists nothing but trying again waits for that.
for wait in 5 10 20 40 60 0; do
  "${as_root[@]}" apt-get update -qq && break
  [ "$wait" -gt 0 ] || exit 1
  echo "install.sh: again in $wait s" >&2
  sleep "$wait"
done
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=180 install -y -qq --no-install-recommends \
  "${missing[@]}" >/dev/null
