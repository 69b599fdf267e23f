#!/usr/bin/env python3
"""deploy/haproxy, deploy/nginx and deploy/envoy before two replicas on loopback: each file as it is shipped, but for its addresses.

    proxies_test.py EASELD EASEL
"""
import http.client
import json
import os
import signal
import sys
import unittest
import urllib.request

from proxy_test_case import ProxyTest
from replicas import ENDLESS, TIMEOUT
from tools import DEPLOY, run, tool

import yaml

LONG = 1000  # steps of a picture that is under way when something happens


class HaproxyTest(ProxyTest):
    def haproxy(self, *replicas):
        text = (DEPLOY / "haproxy/haproxy.cfg").read_text()
        door, address = self.open_door()
        self.assertIn("bind 127.0.0.1:50050 ", text)
        text = text.replace("bind 127.0.0.1:50050 ", f"bind fd@{door} ")
        for number, replica in enumerate(replicas[:2], 1):
            self.assertIn(f"server easel-{number} 127.0.0.1:5005{number}\n", text)
            text = text.replace(f"127.0.0.1:5005{number}\n", f"{replica.address}\n")
        for number, replica in enumerate(replicas[2:], 3):
            text += f"    server easel-{number} {replica.address}\n"
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


    def test_a_load_that_tries_again_loses_nothing_to_a_stop_and_a_kill(self):
        replicas = first, second, third = self.replica(), self.replica(), self.replica()
        _, server = self.haproxy(*replicas)
        load = self.load(server, 60, concurrency=9)
        load.await_pictures(replicas, 20)  # eight of them: each kind, alone
        first.process.send_signal(signal.SIGTERM)
        second.process.kill()
        self.assert_nothing_lost(load, 60)
        self.assertEqual(first.process.wait(TIMEOUT), 0)
        self.assertGreater(third.calls("OK"), 20)

    def test_a_rolling_restart_under_load_loses_nothing(self):
        first, second = self.replica(), self.replica()
        proxy, server = self.haproxy(first, second)
        load = self.load(server, 80)
        load.await_pictures([first, second], 16)
        again = self.restart(first)
        proxy.await_line("Server easel/easel-1 is UP")
        load.await_pictures([again], 4)
        again = self.restart(second)
        load.await_pictures([again], 4)
        self.assert_nothing_lost(load, 80)

    def test_without_a_replica_callers_hear_unavailable(self):
        first, second = self.replica(), self.replica()
        proxy, server = self.haproxy(first, second)
        for replica in (first, second):
            replica.process.kill()
        proxy.await_line("backend easel has no server available")
        self.assert_unavailable(server)


class ClientSideTest(ProxyTest):
    """No proxy: the client takes turns between the replicas that answer."""

    def test_calls_go_to_every_replica_of_a_name(self):
        replica = self.replica()
        code, told = self.call("dns:///" + replica.address.replace("127.0.0.1", "localhost"), 1, 3).end()
        self.assertEqual(code, 0, told)
        replicas = replica, self.replica()
        load = self.load("ipv4:" + ",".join(each.address for each in replicas), 12)
        self.assert_nothing_lost(load, 12)
        self.assertTrue(all(each.calls("OK") > 6 for each in replicas))

    def test_a_rolling_restart_under_load_loses_nothing(self):
        first, second = self.replica(), self.replica()
        load = self.load(f"ipv4:{first.address},{second.address}", 80)
        load.await_pictures([first, second], 16)
        again = self.restart(first)
        load.await_pictures([again], 4)
        again = self.restart(second)
        load.await_pictures([again], 4)
        self.assert_nothing_lost(load, 80)

    def test_a_killed_replica_costs_callers_time_alone(self):
        first, second = self.replica(), self.replica()
        load = self.load(f"ipv4:{first.address},{second.address}", 40)
        load.await_pictures([first, second], 16)
        first.process.kill()
        self.assert_nothing_lost(load, 40)


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
        self.admin = f"http://{admin.read_text()}"
        with urllib.request.urlopen(f"{self.admin}/listeners?format=json", timeout=TIMEOUT) as page:
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

    def retries(self, kind):
        """How often Envoy waited before it tried again: `ratelimited`, what the replica asked for, or `exponential`."""
        with urllib.request.urlopen(f"{self.admin}/stats?filter=cluster.easel.upstream_rq_retry_backoff_{kind}", timeout=TIMEOUT) as page:
            return int(page.read().split()[-1])

    def test_envoy_waits_as_long_as_a_full_replica_asks(self):
        replica = self.replica("--max-tenant-jobs", "1")
        _, server = self.envoy(replica)
        seed = 0
        while self.retries("ratelimited") == 0 and seed < 50:  # until one comes while another is there, which is soon over
            seed += 1
            busy = self.call(replica.address, seed, 2 * LONG).await_event("progress")
            code, told = self.call(server, seed, 3).end()
            self.assertEqual(code, 0, told)
            self.assertEqual(busy.end()[0], 0)
        self.assertLess(seed, 50)

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
