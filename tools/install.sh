#!/bin/sh
# tools/install.sh install|uninstall: the units, the config and, without DESTDIR, the command (pipx).
# PREFIX (/usr/local): where the command goes.  DESTDIR: a folder that is a package in the making; the command is
# pip's then, and nothing of this machine is touched.  Nothing is enabled or started that did not run before.
set -eu
cd "$(dirname "$0")/.."
verb=$1
prefix=${PREFIX:-/usr/local}
destdir=${DESTDIR:-}
bindir=${PIPX_BIN_DIR:-$prefix/bin}
units=$destdir${UNITDIR:-/etc/systemd/system}
config=$destdir/etc/virtsnap
names="virtsnap.service virtsnap-once.service virtsnap-once.timer"
example=virtsnap.service.d/images-elsewhere.conf.example

has_systemd() { [ -z "$destdir" ] && [ -d /run/systemd/system ]; }
runs() { has_systemd && systemctl is-active --quiet "$1"; }

command_with_pipx() {
  tools/setup.sh
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  command -v pipx >/dev/null || $sudo apt-get -q -y install pipx
  if [ "$(id -u)" = 0 ]; then
    # where every user and the service find it, not in root's home
    PIPX_HOME=${PIPX_HOME:-$prefix/lib/virtsnap} PIPX_BIN_DIR=$bindir pipx "$@"
  else
    pipx "$@"
  fi
}

install_files() {
  for name in $names; do
    install -d "$units"
    sed "s#@BINDIR@#$bindir#g" "deploy/systemd/$name" >"$units/$name.new"
    chmod 0644 "$units/$name.new"
    mv "$units/$name.new" "$units/$name"
  done
  install -d "$units/virtsnap.service.d" "$config"
  install -m 0644 "deploy/systemd/$example" "$units/$example"
  if [ ! -e "$config/virtsnap.yaml" ]; then
    install -m 0644 deploy/virtsnap.yaml "$config/virtsnap.yaml"
    rm -f "$config/virtsnap.yaml.new"
  elif cmp -s deploy/virtsnap.yaml "$config/virtsnap.yaml"; then
    rm -f "$config/virtsnap.yaml.new"
  else
    install -m 0644 deploy/virtsnap.yaml "$config/virtsnap.yaml.new"
    echo "kept $config/virtsnap.yaml; the sample of this version is $config/virtsnap.yaml.new"
  fi
}

next_commands() {
  cat <<END
installed; nothing is enabled. Next:
  editor /etc/virtsnap/virtsnap.yaml       # source: {url: …}
  virtsnap config show                     # what is in force, and from where
  virtsnap plan -f MANIFESTS               # what the controller would do
  systemctl enable --now virtsnap          # the controller; or a pass every ten minutes:
  systemctl enable --now virtsnap-once.timer
END
}

case $verb in
install)
  if [ -n "$destdir" ]; then
    install_files
    exit
  fi
  if [ "$(id -u)" != 0 ]; then
    command_with_pipx install --force .
    echo "the command is there for $(id -un); for the service as well: sudo make install"
    exit
  fi
  # Code is never exchanged below a controller at work: it ends its step, and goes on with the new one.
  was_running=""
  # whatever goes wrong here, who ran runs again
  trap 'case $was_running in *virtsnap.service*) systemctl start virtsnap.service ;; esac' EXIT
  for name in virtsnap.service virtsnap-once.service; do
    if runs "$name"; then
      echo "stopping $name at the end of its step"
      systemctl stop "$name"
      was_running="$was_running $name"
    fi
  done
  command_with_pipx install --force .
  install_files
  ! has_systemd || systemctl daemon-reload
  next_commands
  ;;
uninstall)
  if has_systemd; then
    systemctl disable --now virtsnap.service virtsnap-once.timer 2>/dev/null || true
    systemctl stop virtsnap-once.service 2>/dev/null || true
  fi
  for name in $names "$example"; do rm -f "$units/$name"; done
  # a drop-in of somebody's own stays
  rmdir "$units/virtsnap.service.d" 2>/dev/null || true
  rm -f "$config/virtsnap.yaml.new"
  ! has_systemd || systemctl daemon-reload
  [ -n "$destdir" ] || command_with_pipx uninstall virtsnap
  echo "removed; kept: /etc/virtsnap, /var/lib/virtsnap, and every snapshot"
  ;;
*)
  echo "usage: tools/install.sh install|uninstall" >&2
  exit 64
  ;;
esac
