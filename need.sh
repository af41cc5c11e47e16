#!/bin/sh
# need.sh COMMAND...: installs the Debian packages of commands that are missing,
# and python3-gammu, which is a module of Debian's Python. Postfix is left out where
# another mail server is: one would replace the other.
# As root, or through sudo; it says what it installs.
set -eu

package() {
	case $1 in
	gcc) echo gcc libc6-dev ;;
	smsd) echo smstools ;;
	aarch64-linux-gnu-gcc) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross ;;
	arm-linux-gnueabihf-gcc) echo gcc-arm-linux-gnueabihf libc6-dev-armhf-cross ;;
	swaks) echo swaks libnet-ssleay-perl ;;
	*) echo "$1" ;;
	esac
}

have() {
	case $1 in
	postfix) [ -e /usr/sbin/postfix ] || [ -e /usr/sbin/sendmail ] ;;
	python3-gammu) /usr/bin/python3 -c 'import gammu' ;;
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

missing=
for command in "$@"; do
	have "$command" || missing="$missing $(package "$command")"
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
# A daemon that a package starts would take the modems, now and after each boot.
# Nor is a mail server wanted that nobody asked for.
for daemon in smstools gammu-smsd postfix; do
	case "$missing " in
	*" $daemon "*) ! command -v systemctl >/dev/null 2>&1 || $sudo systemctl mask --quiet "$daemon" ;;
	esac
done
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
