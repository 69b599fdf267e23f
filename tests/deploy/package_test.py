#!/usr/bin/env python3
"""The Debian package and the tarball that cpack makes: what they hold runs, what they need is said, and twice is the same bytes.

    package_test.py BUILD
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD = Path(sys.argv[1]).resolve()


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.directory)

    def pack(self, generator, folder):
        """The package, made in a directory of its own; the work beside it is removed."""
        directory = self.directory / generator / folder
        subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", "-G", generator, "-B", directory], check=True,
                       capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
        shutil.rmtree(directory / "_CPack_Packages")
        (package,) = directory.iterdir()
        return package

    def assert_runs(self, program):
        self.assertEqual(output(program, "--version"), output(BUILD / "server/easeld", "--version"))

    @unittest.skipUnless(shutil.which("dpkg-deb"), "needs dpkg-deb")
    def test_debian_package(self):
        package = self.pack("DEB", "first")
        needed = output("dpkg-deb", "--field", package, "Depends")
        for library in ("libgrpc++1.51", "libprotobuf32", "libprometheus-cpp-core1.0", "libcivetweb1", "libturbojpeg0", "libc6"):
            self.assertIn(library, needed)
        self.assertNotIn("torch", needed)
        output("dpkg-deb", "--extract", package, self.directory / "debian")
        self.assert_runs(self.directory / "debian/usr/bin/easeld")
        self.assertTrue((self.directory / "debian/usr/lib/systemd/system/easeld.service").is_file())
        self.assertEqual(package.read_bytes(), self.pack("DEB", "second").read_bytes())

    def test_tarball(self):
        package = self.pack("TGZ", "first")
        output("tar", "-C", self.directory, "-xf", package)
        self.assert_runs(self.directory / package.name.removesuffix(".tar.gz") / "bin/easeld")
        self.assertEqual(package.read_bytes(), self.pack("TGZ", "second").read_bytes())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
