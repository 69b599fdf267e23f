#!/bin/sh
# Certificates for trying TLS, not for production: their keys lie unprotected beside them, and nothing revokes them.
#   make_dev_certs.sh DIR [NAME...]   a CA, a server's certificate for localhost, 127.0.0.1, ::1 and each NAME, and a client's,
#                                     for DAYS (30); where DIR has a CA, it makes the two anew from that
set -eu
directory=${1:?usage: make_dev_certs.sh DIR [NAME...]}
shift
days=${DAYS:-30}
names=DNS:localhost,IP:127.0.0.1,IP:::1
for name; do
  case $name in
    *[!0-9.]*:* | *:*) names=$names,IP:$name ;;
    *[!0-9.]*) names=$names,DNS:$name ;;
    *) names=$names,IP:$name ;;
  esac
done

umask 077
mkdir -p "$directory"
cd "$directory"

# key NAME: a new private key, NAME.key.
key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
# sign NAME USE [SAN]: NAME.crt, by the CA; both files appear whole, the certificate last.
sign() {
  key "$1.new"
  {
    printf 'basicConstraints = critical, CA:FALSE\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = %s\n' "$2"
    if [ $# -gt 2 ]; then printf 'subjectAltName = %s\n' "$3"; fi
  } >extensions
  openssl req -new -key "$1.new.key" -subj "/CN=easel $1" |
    openssl x509 -req -CA ca.crt -CAkey ca.key -days "$days" -extfile extensions -out "$1.new.crt" 2>signing || {
    cat signing >&2
    exit 1
  }
  mv "$1.new.key" "$1.key"
  mv "$1.new.crt" "$1.crt"
  rm extensions signing
}

if [ ! -e ca.crt ]; then
  key ca
  openssl req -x509 -new -key ca.key -subj '/CN=easel development CA' -days "$days" -out ca.crt
fi
sign server serverAuth "$names"
sign client clientAuth
echo "$directory: ca.crt, server.crt, server.key, client.crt, client.key"
