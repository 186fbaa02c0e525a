#!/bin/sh
# Installs what virtsnap's build, demo and tests need from the distribution, through apt, and only
# what is missing.  Root does it directly, everybody else with sudo.
set -eu
packages="git make python3 python3-venv python3-dev gcc pkg-config libvirt-dev
 libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients
 qemu-system-x86 qemu-utils ovmf swtpm swtpm-tools e2fsprogs util-linux
 gnupg openssl openssh-client systemd libseccomp2 polkitd dbus-daemon"
missing=""
for package in $packages; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
sudo=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "cannot install$missing: not root and no sudo" >&2; exit 1; }
  sudo=sudo
fi
echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ $sudo apt-get -q update &&
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing
} >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
