#!/usr/bin/env python3
"""TLS, keys and SIGHUP through the programs themselves, with the certificates of deploy/make_dev_certs.sh.

    tls_test.py EASELD EASEL REPOSITORY
"""
import hashlib
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

from easeld_test import EASEL, EASELD, MODEL, ROOT, TIMEOUT, Server, environment, fails


def make_certs(directory, *names, **variables):
    subprocess.run([ROOT / "deploy/make_dev_certs.sh", directory, *names], check=True, capture_output=True, timeout=TIMEOUT,
                   env=environment(**variables))
    return directory


def served_certificate(address):
    host, port = address.rsplit(":", 1)
    return ssl.get_server_certificate((host, int(port)), timeout=TIMEOUT)


class TlsTest(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.certs = make_certs(self.directory / "certs")
        self.other = make_certs(self.directory / "other")

    def serve(self, *flags, certs=None, **variables):
        if certs:
            flags = ["--tls-cert", str(certs / "server.crt"), "--tls-key", str(certs / "server.key"), *flags]
        server = Server(*flags, **variables)
        self.addCleanup(lambda: server.log.closed or server.stop(signal.SIGKILL))
        self.assertTrue(server.address)
        return server

    def ask(self, server, *flags, **variables):
        """Exit code and stderr of `easel models`."""
        done = subprocess.run([EASEL, "models", "--server", server.address, *map(str, flags)], capture_output=True, text=True,
                              timeout=TIMEOUT, env=environment(**variables))
        return done.returncode, done.stderr

    def refused(self, server, told, *flags, **variables):
        code, stderr = self.ask(server, *flags, **variables)
        self.assertEqual(code, 1, stderr)
        self.assertIn(told, stderr)

    def served(self, server, *flags, **variables):
        code, stderr = self.ask(server, *flags, **variables)
        self.assertEqual(code, 0, stderr)

    def reloaded(self, server, *told):
        """Sends SIGHUP, and waits until the log has it all."""
        server.process.send_signal(signal.SIGHUP)
        while not all(each in self.log(server) for each in told):
            self.assertIsNone(server.process.poll())

    def log(self, server):
        return os.pread(server.log.fileno(), 1 << 20, 0).decode()

    def test_the_server_proves_who_it_is(self):
        server = self.serve(certs=self.certs)
        ca = ["--tls-ca", self.certs / "ca.crt"]
        self.served(server, *ca)
        self.served(server, EASEL_TLS_CA=str(self.certs / "ca.crt"))
        self.served(server, *ca, "--tls-server-name", "localhost")
        self.refused(server, "does not come from the CA of --tls-ca", "--tls-ca", self.other / "ca.crt")  # wrong CA
        self.refused(server, "is for another name", *ca, "--tls-server-name", "other.example")  # wrong name
        self.assertEqual(server.stop()[0], 0)

    def test_a_plain_client_is_told_to_use_tls_and_the_other_way_round(self):
        self.refused(self.serve(certs=self.certs), "if it uses TLS, name the CA of its certificate with --tls-ca")
        self.refused(self.serve(), "it does not use TLS: leave --tls-ca out", "--tls-ca", self.certs / "ca.crt")

    def test_an_expired_certificate_is_refused_by_clients_and_told_by_the_server(self):
        make_certs(self.certs, DAYS="-1")
        server = self.serve(certs=self.certs)
        self.refused(server, "or is out of date", "--tls-ca", self.certs / "ca.crt")
        self.assertIn("certificate is out of date", self.log(server))

    def test_clients_prove_who_they_are_where_they_must(self):
        server = self.serve("--tls-client-ca", str(self.certs / "ca.crt"), certs=self.certs)
        ca = ["--tls-ca", self.certs / "ca.crt"]

        def client(certs):
            return ["--tls-cert", certs / "client.crt", "--tls-key", certs / "client.key"]
        self.served(server, *ca, *client(self.certs))
        self.served(server, *ca, EASEL_CLIENT_CERT=str(self.certs / "client.crt"), EASEL_CLIENT_KEY=str(self.certs / "client.key"))
        self.refused(server, "a client's certificate of its CA", *ca)  # none
        self.refused(server, "a client's certificate of its CA", *ca, *client(self.other))  # wrong CA
        make_certs(self.certs, DAYS="-1")
        self.refused(server, "a client's certificate of its CA", *ca, *client(self.certs))  # expired

    def test_a_rotated_certificate_is_served_without_a_restart(self):
        server = self.serve(certs=self.certs)
        before = served_certificate(server.address)
        make_certs(self.certs)
        server.process.send_signal(signal.SIGHUP)
        while served_certificate(server.address) == before:
            pass
        self.assertEqual(served_certificate(server.address), (self.certs / "server.crt").read_text())
        self.served(server, "--tls-ca", self.certs / "ca.crt")

    def test_a_rotated_client_ca_counts_without_a_restart(self):
        clients = self.directory / "clients.crt"
        shutil.copy(self.certs / "ca.crt", clients)
        server = self.serve("--tls-client-ca", str(clients), certs=self.certs)
        new = ["--tls-ca", self.certs / "ca.crt", "--tls-cert", self.other / "client.crt", "--tls-key", self.other / "client.key"]
        self.refused(server, "a client's certificate", *new)
        clients.write_text((self.certs / "ca.crt").read_text() + (self.other / "ca.crt").read_text())
        server.process.send_signal(signal.SIGHUP)
        while self.ask(server, *new)[0] != 0:
            pass

    def test_a_bad_certificate_leaves_the_old_one_and_is_told(self):
        server = self.serve(certs=self.certs)
        cert, key = self.certs / "server.crt", self.certs / "server.key"
        before, good_key = served_certificate(server.address), key.read_text()
        for spoil, told in [(lambda: shutil.copy(self.other / "server.key", key), "server.key is not the key of the first"),
                            (lambda: key.write_text("nonsense"), "server.key holds no private key"),
                            (lambda: cert.write_text(before[:200]), "server.crt holds"),
                            (lambda: cert.unlink(), "server.crt: cannot be opened")]:
            spoil()
            self.reloaded(server, told)
            self.assertEqual(served_certificate(server.address), before)
            self.served(server, "--tls-ca", self.certs / "ca.crt")
        self.assertIn("error not reloaded, the old ones stay what=certificate", self.log(server))
        key.write_text(good_key)

    def test_what_is_wrong_at_start_exits_2_and_is_named(self):
        certs, other = self.certs, self.other
        locked, bad_keys, junk = (self.directory / name for name in ("locked.key", "bad.keys", "junk.pem"))
        subprocess.run(["openssl", "pkey", "-in", certs / "server.key", "-aes256", "-passout", "pass:x", "-out", locked], check=True)
        bad_keys.write_text("# a comment\nnonsense\n")
        junk.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        pair = ["--tls-cert", certs / "server.crt", "--tls-key", certs / "server.key"]
        for flags, told in [
            (["--tls-cert", "/no/such.crt", "--tls-key", certs / "server.key"], "/no/such.crt"),
            (["--tls-cert", certs / "server.crt", "--tls-key", "/no/such.key"], "/no/such.key"),
            (["--tls-cert", certs / "server.key", "--tls-key", certs / "server.key"], "server.key holds no certificate"),
            (["--tls-cert", junk, "--tls-key", certs / "server.key"], "junk.pem holds no certificate"),
            (["--tls-cert", certs / "server.crt", "--tls-key", certs / "server.crt"], "server.crt holds no private key"),
            (["--tls-cert", certs / "server.crt", "--tls-key", locked], "locked.key holds no private key in PEM, or one under"),
            (["--tls-cert", certs / "server.crt", "--tls-key", other / "server.key"], "is not the key of the first certificate"),
            ([*pair, "--tls-client-ca", "/no/such.ca"], "/no/such.ca"),
            ([*pair, "--tls-client-ca", certs / "client.key"], "client.key holds no certificate"),
            (["--tls-cert", certs / "server.crt"], "--tls-key"),
            (["--tls-key", certs / "server.key"], "--tls-cert"),
            (["--tls-client-ca", certs / "ca.crt"], "--tls-client-ca"),
            (["--api-keys", bad_keys], "bad.keys: line 2:"),
            (["--api-keys", "/no/such.keys"], "/no/such.keys"),
        ]:
            code, stderr = fails("--listen", "127.0.0.1:0", *map(str, flags))
            self.assertEqual(code, 2, (flags, stderr))
            self.assertIn(told, stderr)

    def test_metrics_tell_when_the_certificate_expires_and_what_was_not_reloaded(self):
        keys = self.directory / "api.keys"
        keys.write_text("0" * 64 + " shop\n")
        with open(self.directory / "log", "w+") as log:
            process = subprocess.Popen(
                [EASELD, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--model", str(MODEL), "--api-keys", str(keys),
                 "--tls-cert", str(self.certs / "server.crt"), "--tls-key", str(self.certs / "server.key")],
                stdout=subprocess.PIPE, stderr=log, text=True, env=environment())
            self.addCleanup(lambda: (process.kill(), process.wait(), process.stdout.close()))
            self.assertIn("listening", process.stdout.readline())
        log = (self.directory / "log").read_text()
        metrics = next(word for word in log.split() if word.startswith("metrics=")).removeprefix("metrics=")

        def page():
            with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=TIMEOUT) as answer:
                return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line.startswith("easel_"))

        def expires():
            end = subprocess.run(["openssl", "x509", "-enddate", "-noout", "-in", self.certs / "server.crt"], capture_output=True, text=True,
                                 check=True).stdout.strip().removeprefix("notAfter=")
            return ssl.cert_time_to_seconds(end)
        self.assertEqual(float(page()["easel_certificate_expires_seconds"]), expires())
        before = expires()
        make_certs(self.certs, DAYS="3")
        process.send_signal(signal.SIGHUP)
        while float(page()["easel_certificate_expires_seconds"]) == before:
            self.assertIsNone(process.poll())
        self.assertEqual(float(page()["easel_certificate_expires_seconds"]), expires())
        failures = 'easel_reload_failures_total{file="%s"}'
        self.assertEqual([float(page()[failures % file]) for file in ("certificate", "keys")], [0, 0])
        keys.write_text("half of a li")
        process.send_signal(signal.SIGHUP)
        while float(page()[failures % "keys"]) == 0:
            self.assertIsNone(process.poll())
        self.assertEqual(float(page()[failures % "certificate"]), 0)
        (self.certs / "server.key").write_text("nonsense")
        process.send_signal(signal.SIGHUP)
        while float(page()[failures % "certificate"]) == 0:
            self.assertIsNone(process.poll())

    def test_health_for_a_probe_needs_the_ca_and_a_certificate_where_clients_must_have_one_but_no_key(self):
        keys = self.directory / "api.keys"
        keys.write_text("0" * 64 + " shop\n")
        server = self.serve("--api-keys", str(keys), "--tls-client-ca", str(self.certs / "ca.crt"), certs=self.certs)

        def health(**variables):
            done = subprocess.run([EASEL, "health"], capture_output=True, text=True, timeout=TIMEOUT,
                                  env=environment(EASEL_SERVER=server.address, **variables))
            return done.returncode, done.stdout + done.stderr
        ca = {"EASEL_TLS_CA": str(self.certs / "ca.crt")}
        mine = {"EASEL_CLIENT_CERT": str(self.certs / "client.crt"), "EASEL_CLIENT_KEY": str(self.certs / "client.key")}
        code, told = health(**ca, **mine)
        self.assertEqual(code, 0, told)
        self.assertIn("SERVING", told)
        # The server's own, where it is for both.
        uses = self.directory / "uses"
        uses.write_text("extendedKeyUsage = serverAuth, clientAuth\nsubjectAltName = IP:127.0.0.1\n")
        sign = ('openssl req -new -key server.key -subj /CN=both | openssl x509 -req -CA ca.crt -CAkey ca.key -days 1 -extfile "$0" -out both.crt '
                '&& mv both.crt server.crt')
        subprocess.run(["sh", "-c", sign, uses], check=True, capture_output=True, cwd=self.certs)
        both = {"EASEL_CLIENT_CERT": str(self.certs / "server.crt"), "EASEL_CLIENT_KEY": str(self.certs / "server.key")}
        server = self.serve("--api-keys", str(keys), "--tls-client-ca", str(self.certs / "ca.crt"), certs=self.certs)
        code, told = health(**ca, **both)
        self.assertEqual(code, 0, told)
        code, told = health(**ca)
        self.assertEqual(code, 1)
        self.assertIn("a client's certificate of its CA", told)
        self.assertEqual(health()[0], 1)  # in plain text

    def test_keys_by_the_commands_of_the_readme(self):
        """deploy/README.md: make a key, use it, replace it."""
        keys = self.directory / "api.keys"
        make = 'KEY=$(openssl rand -hex 32); echo "$(printf %s "$KEY" | sha256sum | head -c 64) shop weight=2" >>"$0"; echo $KEY'
        first, second = (subprocess.run(["sh", "-c", make, keys], capture_output=True, text=True, check=True).stdout.strip()
                         for _ in range(2))
        server = self.serve("--api-keys", str(keys))
        key_file = self.directory / "key"
        key_file.write_text(second + "\n")
        self.served(server, EASEL_API_KEY=first)
        self.served(server, "--api-key-file", key_file)
        self.refused(server, "UNAUTHENTICATED: this server needs an API key")
        self.refused(server, "UNAUTHENTICATED: the API key is not one of this server's", EASEL_API_KEY="guess")
        keys.write_text("half of a li")  # as while it is being written
        self.reloaded(server, "api.keys: line 1:")
        self.served(server, EASEL_API_KEY=first)
        keys.write_text(hashlib.sha256(second.encode()).hexdigest() + " shop weight=2\n")
        server.process.send_signal(signal.SIGHUP)
        while self.ask(server, EASEL_API_KEY=first)[0] == 0:
            pass
        self.refused(server, "UNAUTHENTICATED", EASEL_API_KEY=first)
        self.served(server, EASEL_API_KEY=second)

    def test_sighup_ends_nothing_where_there_is_nothing_to_reload(self):
        server = self.serve()
        server.process.send_signal(signal.SIGHUP)
        self.served(server)
        self.assertEqual(server.stop()[0], 0)

    def test_a_server_open_to_the_network_says_so_once(self):
        keys = self.directory / "api.keys"
        keys.write_text("0" * 64 + " shop\n")
        for flags, without in [([], 'without="TLS, keys"'), (["--api-keys", keys], "without=TLS")]:
            process = subprocess.Popen([EASELD, "--listen", "0.0.0.0:0", "--metrics-listen", "off", "--model", str(MODEL), *map(str, flags)],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
            process.stdout.readline()
            process.terminate()
            _, log = process.communicate(timeout=TIMEOUT)
            self.assertEqual(log.count("open to the network"), 1, log)
            self.assertIn(without, log)
        server = self.serve()
        self.assertNotIn("open to the network", server.stop()[1])

    def test_secrets_are_in_no_log_line_metric_or_command_line(self):
        key, wrong = "a-key-that-opens-it", "a-key-that-does-not"
        keys = self.directory / "api.keys"
        keys.write_text(hashlib.sha256(key.encode()).hexdigest() + " shop\n")
        certs = self.certs
        command = [EASELD, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--model", str(MODEL), "--log-level", "debug",
                   "--api-keys", str(keys), "--tls-cert", str(certs / "server.crt"), "--tls-key", str(certs / "server.key")]
        with open(self.directory / "log", "w+") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment())
            self.addCleanup(process.kill)
            address = process.stdout.readline().removeprefix("listening on ").strip()
            for each in key, wrong:
                subprocess.run([EASEL, "generate", "words", "--steps", "2", "-o", self.directory / "out.png", "--server", address,
                                "--tls-ca", certs / "ca.crt"], capture_output=True, timeout=TIMEOUT, env=environment(EASEL_API_KEY=each))
            keys.write_text(key + " shop\n")  # by mistake, not hashed
            process.send_signal(signal.SIGHUP)
            text = ""
            while "not reloaded" not in text:
                text = (self.directory / "log").read_text()
            metrics = next(word for word in text.split() if word.startswith("metrics=")).removeprefix("metrics=")
            with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=TIMEOUT) as page:
                everything = text + page.read().decode()
            everything += Path(f"/proc/{process.pid}/cmdline").read_text()
            process.terminate()
            self.assertEqual(process.wait(TIMEOUT), 0)
            process.stdout.close()
            everything += (self.directory / "log").read_text()
        self.assertIn('code="UNAUTHENTICATED"', everything)
        self.assertIn("tenant=shop", everything)
        private = "".join((certs / "server.key").read_text().splitlines()[1:2])
        for secret in key, wrong, hashlib.sha256(key.encode()).hexdigest(), private:
            self.assertNotIn(secret, everything)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
