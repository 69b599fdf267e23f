#!/usr/bin/env python3
"""deploy/haproxy, deploy/nginx and deploy/envoy before two replicas on loopback: each file as it is shipped, but for its addresses.

    proxies_test.py EASELD EASEL
"""
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import unittest
import urllib.request
from pathlib import Path

from replicas import ENDLESS, TIMEOUT, Caller, Proxy, Replica
from tools import DEPLOY, run, tool

import yaml

EASELD, EASEL = sys.argv[1], sys.argv[2]
LONG = 1000  # steps of a picture that is under way when something happens


class ProxyTest(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def replica(self, *flags):
        replica = Replica(EASELD, *flags)
        self.addCleanup(replica.close)
        return replica

    def call(self, server, seed, steps, name=None):
        caller = Caller(EASEL, server, self.directory / (name or f"{seed}-{steps}.png"), seed, steps)
        self.addCleanup(caller.close)
        return caller

    def proxy(self, *command, **options):
        proxy = Proxy(*command, **options)
        self.addCleanup(proxy.close)
        return proxy

    def open_door(self):
        """A listening socket for a proxy to inherit, and its address: callers may come before the proxy is up."""
        door = socket.socket()
        self.addCleanup(door.close)
        door.bind(("127.0.0.1", 0))
        door.listen(128)
        return door.fileno(), "127.0.0.1:%d" % door.getsockname()[1]

    def assert_pictures(self, callers, replica):
        """Every call ended well, with the bytes that the replica itself gives. `callers`: (seed, steps) to Caller."""
        for caller in callers.values():
            code, told = caller.end()
            self.assertEqual(code, 0, told)
        direct = {wish: self.call(replica.address, *wish, "direct-%d-%d.png" % wish) for wish in callers}
        for wish, caller in callers.items():
            code, told = direct[wish].end()
            self.assertEqual(code, 0, told)
            self.assertEqual(caller.picture.read_bytes(), direct[wish].picture.read_bytes())

    def assert_unavailable(self, server):
        """With every replica gone, a caller is told so by gRPC's own status."""
        code, told = self.call(server, 1, 3).end()
        self.assertEqual(code, 1)
        self.assertRegex(told, r"^easel: UNAVAILABLE: ")

    def again_until_done(self, server, seed, steps):
        """A caller that tries again when nobody could do it; how often it had to."""
        for tries in range(100):
            caller = self.call(server, seed, steps)
            code, told = caller.end()
            if code == 0:
                return caller, tries
            self.assertIn("UNAVAILABLE", told)
        raise AssertionError("tried a hundred times")


class HaproxyTest(ProxyTest):
    def haproxy(self, *replicas):
        text = (DEPLOY / "haproxy/haproxy.cfg").read_text()
        door, address = self.open_door()
        self.assertIn("bind 127.0.0.1:50050 ", text)
        text = text.replace("bind 127.0.0.1:50050 ", f"bind fd@{door} ")
        for number, replica in enumerate(replicas, 1):
            self.assertIn(f"server easel-{number} 127.0.0.1:5005{number}\n", text)
            text = text.replace(f"127.0.0.1:5005{number}\n", f"{replica.address}\n")
        path = self.directory / "haproxy.cfg"
        path.write_text(text)
        return self.proxy(tool("haproxy"), "-db", "-f", path, pass_fds=[door]), address

    def test_haproxy_accepts_the_file(self):
        code, told = run(tool("haproxy"), "-c", "-f", DEPLOY / "haproxy/haproxy.cfg")
        self.assertEqual(code, 0, told)
        self.assertNotIn("WARNING", told)

    def test_a_replica_that_stops_midway_loses_nothing(self):
        first, second = self.replica(), self.replica()
        proxy, server = self.haproxy(first, second)
        running = {(seed, LONG): self.call(server, seed, LONG) for seed in range(4)}
        for caller in running.values():
            caller.await_event("progress")
        first.process.send_signal(signal.SIGTERM)
        late = {(seed, 3): self.again_until_done(server, seed, 3)[0] for seed in range(3)}
        self.assertEqual(first.process.wait(TIMEOUT), 0)
        proxy.await_line("Server easel/easel-1 is DOWN")
        after = {(seed, 3): self.call(server, seed, 3) for seed in range(3, 6)}
        self.assert_pictures(running | late | after, second)
        # Fewest calls first: half of them ran on the one that stopped.
        self.assertEqual(first.calls("OK"), 2)

    def test_a_draining_replica_gets_no_calls_though_it_still_works(self):
        first, second = self.replica(), self.replica()
        proxy, server = self.haproxy(first, second)
        endless = self.call(first.address, 1, ENDLESS).await_event("progress")
        first.process.send_signal(signal.SIGTERM)
        proxy.await_line("Server easel/easel-1 is DOWN")
        self.assertIsNone(first.process.poll())
        self.assert_pictures({(seed, 3): self.call(server, seed, 3) for seed in range(4)}, second)
        self.assertEqual(first.stop(signal.SIGINT), 0)  # the second signal cuts
        self.assertEqual(endless.end()[0], 1)

    def test_pictures_of_a_killed_replica_are_drawn_by_the_other(self):
        first, second = self.replica(), self.replica()
        _, server = self.haproxy(first, second)
        running = {(seed, LONG): self.call(server, seed, LONG) for seed in range(4)}
        for caller in running.values():
            caller.await_event("progress")
        first.process.kill()
        again = 0
        for (seed, steps), caller in running.items():
            if caller.end()[0] != 0:
                again += 1
                running[seed, steps], _ = self.again_until_done(server, seed, steps)
        self.assertEqual(again, 2)
        self.assert_pictures(running, second)


    def test_without_a_replica_callers_hear_unavailable(self):
        first, second = self.replica(), self.replica()
        proxy, server = self.haproxy(first, second)
        for replica in (first, second):
            replica.process.kill()
        proxy.await_line("backend easel has no server available")
        self.assert_unavailable(server)


class NginxTest(ProxyTest):
    def configuration(self, text):
        """A whole configuration around the file, as Debian's nginx.conf is, without its absolute paths."""
        (self.directory / "easel.conf").write_text(text)
        path = self.directory / "nginx.conf"
        temporary = "".join(f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
        user = "user root root; " if os.getuid() == 0 else ""  # elsewise its workers change theirs
        path.write_text(f"daemon off; {user}pid nginx.pid; error_log stderr notice; events {{}}\n"
                        f"http {{ access_log off; {temporary} include easel.conf; }}\n")
        return ["-p", self.directory, "-c", path]

    def nginx(self, *replicas):
        text = (DEPLOY / "nginx/easel.conf").read_text()
        door, address = self.open_door()
        self.assertIn("listen 127.0.0.1:50050 ", text)
        text = text.replace("listen 127.0.0.1:50050 ", f"listen {address} ")
        for number, replica in enumerate(replicas, 1):
            self.assertIn(f"server 127.0.0.1:5005{number} ", text)
            text = text.replace(f"server 127.0.0.1:5005{number} ", f"server {replica.address} ")
        # NGINX: the sockets that it inherits, as from an nginx that it replaces.
        return self.proxy(tool("nginx"), *self.configuration(text), pass_fds=[door], env={**os.environ, "NGINX": f"{door};"}), address

    def test_nginx_accepts_the_file(self):
        code, told = run(tool("nginx"), "-t", *self.configuration((DEPLOY / "nginx/easel.conf").read_text()))
        self.assertEqual(code, 0, told)
        self.assertNotIn("[warn]", told)

    def test_pictures_come_through_and_a_dead_replica_costs_none(self):
        first, second = self.replica(), self.replica()
        _, server = self.nginx(first, second)
        running = {(seed, LONG): self.call(server, seed, LONG) for seed in range(4)}
        self.assert_pictures(running, second)
        self.assertEqual(first.calls("OK"), 2)
        first.process.kill()
        first.process.wait()
        self.assert_pictures({(seed, 3): self.call(server, seed, 3) for seed in range(4)}, second)


    def test_without_a_replica_callers_hear_unavailable(self):
        first, second = self.replica(), self.replica()
        _, server = self.nginx(first, second)
        for replica in (first, second):
            replica.process.kill()
            replica.process.wait()
        self.assert_unavailable(server)


class EnvoyTest(ProxyTest):
    def envoy(self, *replicas):
        settings = yaml.safe_load((DEPLOY / "envoy/envoy.yaml").read_text())
        listener, = settings["static_resources"]["listeners"]
        listener["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": 0}
        settings["admin"]["address"]["socket_address"]["port_value"] = 0
        cluster, = settings["static_resources"]["clusters"]
        endpoints, = cluster["load_assignment"]["endpoints"]
        hosts = [replica.address.rsplit(":", 1) for replica in replicas]
        endpoints["lb_endpoints"] = [{"endpoint": {"address": {"socket_address": {"address": host, "port_value": int(port)}}}}
                                     for host, port in hosts]
        path, admin = self.directory / "envoy.json", self.directory / "admin"
        path.write_text(json.dumps(settings))
        proxy = self.proxy(tool("envoy"), "-c", path, "--admin-address-path", admin, "--use-dynamic-base-id", "--concurrency", "1")
        proxy.await_line("all dependencies initialized. starting workers")
        with urllib.request.urlopen(f"http://{admin.read_text()}/listeners?format=json", timeout=TIMEOUT) as page:
            listening, = json.load(page)["listener_statuses"]
        return proxy, "127.0.0.1:%d" % listening["local_address"]["socket_address"]["port_value"]

    def test_envoy_accepts_the_file_without_a_deprecated_field(self):
        code, told = run(tool("envoy"), "--mode", "validate", "-c", DEPLOY / "envoy/envoy.yaml")
        self.assertEqual(code, 0, told)
        self.assertNotIn("eprecated", told)

    def test_a_full_replica_s_refusals_are_tried_elsewhere(self):
        first, second = self.replica("--max-queue", "1", "--max-batch", "2"), self.replica()
        endless = 0
        while self.call(first.address, endless, ENDLESS, f"endless-{endless}.png").accepted():
            endless += 1
            self.assertLess(endless, 50)
        refused = first.calls("RESOURCE_EXHAUSTED")
        self.assertEqual(refused, 1)
        _, server = self.envoy(first, second)
        seed = 0
        while first.calls("RESOURCE_EXHAUSTED") < refused + 3 and seed < 200:  # each call's first try goes here or there, by chance
            self.assert_pictures({(seed, 3): self.call(server, seed, 3)}, second)
            seed += 1
        self.assertLess(seed, 200)

    def test_a_replica_that_stops_midway_loses_nothing_and_callers_need_not_try_again(self):
        first, second = self.replica(), self.replica()
        _, server = self.envoy(first, second)
        running = {(seed, LONG): self.call(server, seed, LONG) for seed in range(4)}
        for caller in running.values():
            caller.await_event("progress")
        first.process.send_signal(signal.SIGTERM)
        late = {(seed, 3): self.call(server, seed, 3) for seed in range(8)}
        self.assert_pictures(running | late, second)
        self.assertEqual(first.process.wait(TIMEOUT), 0)

    def test_without_a_replica_callers_hear_unavailable(self):
        replica = self.replica()
        _, server = self.envoy(replica)
        replica.process.kill()
        replica.process.wait()
        self.assert_unavailable(server)

    def test_a_browser_s_grpc_web_is_answered(self):
        replica = self.replica()
        _, server = self.envoy(replica)
        connection = http.client.HTTPConnection(server, timeout=TIMEOUT)
        self.addCleanup(connection.close)
        connection.request("OPTIONS", "/easel.v1.ImageGeneration/ListModels", headers={
            "Origin": "https://example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-grpc-web"})
        preflight = connection.getresponse()
        preflight.read()
        self.assertEqual((preflight.status, preflight.headers["access-control-allow-origin"]), (200, "https://example.com"))
        connection.request("POST", "/easel.v1.ImageGeneration/ListModels", bytes(5), {
            "Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1", "Origin": "https://example.com"})
        answer = connection.getresponse()
        body = answer.read()
        self.assertEqual(answer.headers["content-type"], "application/grpc-web+proto")
        size = int.from_bytes(body[1:5], "big")
        self.assertIn(b"text", body[5:5 + size])  # the model's name
        self.assertEqual(body[5 + size], 0x80)  # a frame of trailers
        self.assertIn(b"grpc-status:0", body[5 + size:])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
