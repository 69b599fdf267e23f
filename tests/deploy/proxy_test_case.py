"""What tests of proxies share: replicas, callers and a load, each gone when the test is over. Of a program that is called with EASELD EASEL."""
import shutil
import socket
import sys
import tempfile
import unittest
from pathlib import Path

from replicas import Caller, Load, Proxy, Replica

EASELD, EASEL = sys.argv[1], sys.argv[2]


class ProxyTest(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def replica(self, *flags, **options):
        replica = Replica(EASELD, *flags, **options)
        self.addCleanup(replica.close)
        return replica

    def call(self, server, seed, steps, name=None):
        caller = Caller(EASEL, server, self.directory / (name or f"{seed}-{steps}.png"), seed, steps)
        self.addCleanup(caller.close)
        return caller

    def load(self, server, requests, concurrency=6, retries=20):
        load = Load(EASEL, server, self.directory / "mix.json", requests, concurrency, retries)
        self.addCleanup(load.close)
        return load

    def assert_nothing_lost(self, load, requests):
        """Every request has its picture, and every picture is what its request gives alone."""
        outcome = load.end()
        self.assertEqual(outcome["errors"], {}, outcome["error_messages"])
        self.assertEqual(outcome["completed"], requests)
        self.assertEqual(outcome["verification"], {"compared": requests, "different": 0, "not_compared": 0})

    def restart(self, replica):
        """Stopped as an orchestrator stops it, and another in its place."""
        self.assertEqual(replica.stop(), 0)
        return self.replica(listen=replica.address)

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
