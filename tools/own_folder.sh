#!/usr/bin/env bash
# Empties the folder that a script writes into, and prints its whole path. Called by demo.sh and phantom_check.sh.
#   own_folder.sh SCRIPT [FOLDER]    (default: build/NAME of the repository)
# A folder that is not the script's own (the file .duet_NAME says so) and not empty is refused with exit code 2, as it is deleted.
set -euo pipefail
name=$(basename "$1" .sh)
case "${2:-}" in
  -*) sed -n '2,/^set/{s/^# \{0,1\}//p}' "$1" >&2; exit 2 ;;
  '') out=$(realpath -m "$(dirname "$0")/../build/$name") ;;
  *) out=$(realpath -m "$2")
     if [ -e "$out" ] && [ ! -e "$out/.duet_$name" ] && { [ ! -d "$out" ] || [ -n "$(ls -A "$out")" ]; }; then
       echo "$name.sh: $out: expected a new or empty folder, or one that $name.sh made, as it is deleted first" >&2
       exit 2
     fi ;;
esac
rm -rf "$out"
mkdir -p "$out"
touch "$out/.duet_$name"
echo "$out"
