#!/bin/bash
# The part of rke that is a process: it can be killed, its output is read, and it knows nothing. What it does is played by the
# test's world, which it asks on loopback; a world that hears no `alive` any more does nothing in its name.
if [ "${1-}" = --version ]; then
  echo 'rke version v1.8.0'
  exit 0
fi
exec 3<>/dev/tcp/127.0.0.1/@PORT@ || exit 1
printf '%s\n' "$HOME" "$PWD" "$@" '' >&3
while IFS= read -r line <&3; do
  case $line in
  ask) echo alive >&3 ;;
  'exit '*) exit "${line#exit }" ;;
  *) printf '%s\n' "$line" ;;
  esac
done
exit 1
