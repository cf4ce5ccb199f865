# shellcheck shell=bash
# Sourced, with the repository as the current folder: installs what is missing, and only that, and says so first.
#
#   need_compiler; need_clamd; need_dovecot; need_kerberos             note what is missing
#   need PROGRAM PACKAGE...                                            the same for any program
#   unpack_courier                                                     has a second POP3 server in target/courier
#   need_module MODULE PACKAGE...                                      the same for a module of the system's Python
#   install_missing                                                    installs what was noted (Debian, Ubuntu)
#   need_rust                                                          finds or installs cargo, sets rust_flags
#
# No clamd, freshclam or Dovecot of the whole system is started or left enabled by an installation from here.
# stdout stays free for the program that runs in the end.

PATH="${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

missing=()
# For every cargo command that resolves versions; filled by need_rust.
rust_flags=()

# mail-parser 1.0 asks for this Rust, but builds and passes its tests with the one that Cargo.toml asks for.
readonly rust_without_flags=1.98
# Debian starts and enables these with their packages.
readonly service_units=(clamav-daemon.service clamav-daemon.socket clamav-freshclam.service clamav-clamonacc.service
    dovecot.service dovecot.socket krb5-kdc.service krb5-admin-server.service)
readonly policy=/usr/sbin/policy-rc.d
readonly policy_mark="# poplar: no service starts while its scripts install packages"

say() {
    printf '==> %s\n' "$*" >&2
}

give_up() {
    printf '%s\n' "$@" >&2
    exit 1
}

need() {
    local program=$1
    command -v "$program" >/dev/null || missing+=("${@:2}")
}

need_compiler() {
    need cc gcc libc6-dev
}

need_clamd() {
    need clamd clamav-daemon
}

need_dovecot() {
    local folder
    for folder in /usr/lib/dovecot /usr/libexec/dovecot; do
        [ -x "$folder/pop3" ] && return
    done
    missing+=(dovecot-core dovecot-pop3d)
}

# A KDC of the tests' own, and what Dovecot needs to take its tickets.
need_kerberos() {
    need krb5kdc krb5-kdc
    need kadmin.local krb5-admin-server
    need kinit krb5-user
    local plugin
    for plugin in /usr/lib/dovecot/modules/auth/libmech_gssapi.so /usr/lib64/dovecot/auth/libmech_gssapi.so; do
        [ -e "$plugin" ] && return
    done
    missing+=(dovecot-gssapi)
}

# Courier's server for one socket. Installed, its packages would bring a mail server for the whole system along, so they
# are only unpacked. What needs it is skipped where it cannot be had.
unpack_courier() {
    local folder=target/courier
    [ -x /usr/lib/courier/courier/courierpop3d ] && return
    [ -x "$folder/usr/lib/courier/courier/courierpop3d" ] && return
    command -v apt-get >/dev/null || { say "no Courier here: its tests will be skipped (there is no apt-get)"; return; }
    say "unpacking courierpop3d (Debian packages) into $folder"
    mkdir -p "$folder/packages"
    if ! (cd "$folder/packages" && apt-get -qq download courier-pop courier-authlib libcourier-unicode4 libidn12) >&2; then
        say "Courier's packages could not be had: its tests will be skipped"
        return
    fi
    local package
    for package in "$folder"/packages/*.deb; do dpkg-deb -x "$package" "$folder"; done
}

# For programs of ours that run on the system's Python, whatever other one stands first in the path.
need_module() {
    local module=$1
    /usr/bin/python3 -c "import $module" 2>/dev/null || missing+=("${@:2}")
}

install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    local install=(apt-get install --yes --no-install-recommends "${missing[@]}")
    command -v apt-get >/dev/null ||
        give_up "These Debian packages, or what they are called here, are missing: ${missing[*]}" \
            "Install them and start this again."
    may_be_root ||
        give_up "To install what is missing, run this as root (or through sudo), then start again:" \
            "    apt-get update && ${install[*]}" \
            "Their services are not needed: systemctl disable --now clamav-daemon clamav-freshclam dovecot krb5-kdc"
    say "installing ${missing[*]} (Debian packages, without starting their services)"
    (
        trap let_services_start EXIT
        trap 'exit 130' INT TERM
        local units_before output
        units_before=$(installed_units)
        keep_services_from_starting
        as_root apt-get -qq update </dev/null >/dev/null ||
            say "the package lists could not be refreshed; trying with those there are"
        # Package scripts talk a lot; what they said matters if they fail.
        output=$(as_root env DEBIAN_FRONTEND=noninteractive "${install[@]}" -o DPkg::Lock::Timeout=300 </dev/null 2>&1) ||
            give_up "$output" "Installing ${missing[*]} failed; the reason stands above."
        disable_units_beyond "$units_before"
    )
    missing=()
}

# shellcheck disable=SC2034 # rust_flags is for the scripts that source this one
need_rust() {
    local wanted
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    rust_is_at_least "$wanted" || install_rust "$wanted"
    rust_is_at_least "$wanted" || give_up "Rust $wanted or newer is needed; this is $(cargo --version 2>&1)."
    rust_is_at_least "$rust_without_flags" || rust_flags=(--ignore-rust-version)
}

rust_is_at_least() {
    local version
    version=$(cargo --version 2>/dev/null | cut -d' ' -f2)
    [ -n "$version" ] && printf '%s\n' "$1" "${version%%-*}" | sort -CV
}

install_rust() {
    if ! command -v rustup >/dev/null && [ -n "$(apt-cache search --names-only '^rustup$' 2>/dev/null)" ]; then
        need rustup rustup
        install_missing
    fi
    if command -v rustup >/dev/null; then
        say "installing the stable Rust through rustup (Poplar needs $1)"
        rustup toolchain install stable --profile minimal >&2
        export RUSTUP_TOOLCHAIN=stable
        return
    fi
    need curl curl ca-certificates
    install_missing
    say "installing rustup and the stable Rust into ${CARGO_HOME:-$HOME/.cargo}, with the installer of rustup.rs (Poplar needs $1)"
    # A distribution's older Rust may stay where it is: the path above finds ours first.
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
        RUSTUP_INIT_SKIP_PATH_CHECK=yes sh -s -- -y --quiet --no-modify-path --profile minimal >&2
    hash -r
}

may_be_root() {
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Another's policy stays as it is; ours may have been left by a run that was killed.
keep_services_from_starting() {
    [ -e "$policy" ] && return
    printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

let_services_start() {
    if grep -qsF "$policy_mark" "$policy"; then as_root rm -f "$policy"; fi
}

installed_units() {
    local unit
    for unit in "${service_units[@]}"; do
        if [ -e "/lib/systemd/system/$unit" ]; then printf '%s\n' "$unit"; fi
    done
}

# What was there before is somebody's wish; what came with our packages must not start with the next boot.
disable_units_beyond() {
    local unit
    command -v systemctl >/dev/null || return 0
    for unit in $(installed_units); do
        grep -qxF "$unit" <<<"$1" || as_root systemctl disable --quiet "$unit" >&2 || true
    done
}
