#!/bin/sh
# need.sh COMMAND...: installs the Debian packages of commands that are missing.
# As root, or through sudo; it says what it installs.
set -eu

package() {
	case $1 in
	gcc) echo gcc libc6-dev ;;
	aarch64-linux-gnu-gcc) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
	arm-linux-gnueabihf-gcc) echo gcc-arm-linux-gnueabihf libc6-dev-armhf-cross ;;
	*) echo "$1" ;;
	esac
}

missing=
for command in "$@"; do
	command -v "$command" >/dev/null 2>&1 || missing="$missing $(package "$command")"
done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null 2>&1 || {
	echo "need.sh: install these yourself:$missing" >&2
	exit 1
}
sudo=
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null 2>&1 || {
		echo "need.sh: run as root, or install these:$missing" >&2
		exit 1
	}
	sudo=sudo
fi
echo "installing:$missing" >&2
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing >/dev/null
