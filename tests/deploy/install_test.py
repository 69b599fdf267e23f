#!/usr/bin/env python3
"""What `cmake --install` leaves: it is moved, and then serves with the sources, the build and LibTorch's directory out of reach.

    install_test.py BUILD REPOSITORY LIBTORCH_ROOT LIBTORCH_VERSION
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

BUILD, ROOT, LIBTORCH = (Path(argument).resolve() for argument in sys.argv[1:4])
LIBTORCH_VERSION = sys.argv[4]
TIMEOUT = 120  # seconds, for a machine under load; nothing here depends on it


# What the installed tree must do without; of two, one within the other, the outer one.
FAR = {ROOT, BUILD, LIBTORCH.parent}
HIDDEN = sorted(each for each in FAR if not FAR.intersection(each.parents))


def may(*command):
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


# A namespace where directories can be hidden from one process: as root, or as root of a namespace of our own.
NAMESPACE = next((each for each in [["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]] if may(*each)), None)


class Server:
    """easeld of the installed tree, with `hidden` directories empty to it, telling a notify socket."""

    def __init__(self, prefix, hidden=(), abstract=False):
        self.directory = tempfile.TemporaryDirectory()
        name = self.directory.name + "/notify"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.settimeout(TIMEOUT)
        self.notify.bind("\0" + name if abstract else name)
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("EASEL_", "LD_"))}
        script = "".join(f"mount -t tmpfs none '{each}' && " for each in hidden) + 'exec "$0" "$@"'
        self.process = subprocess.Popen(
            [*(NAMESPACE if hidden else []), "sh", "-c", script, prefix / "bin/easeld",
             "--listen", "127.0.0.1:0", "--metrics-listen", "off"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
            env={**variables, "NOTIFY_SOCKET": "@" + name if abstract else name})
        self.address = self.process.stdout.readline().removeprefix("listening on ").strip()
        if not self.address:
            raise AssertionError(self.process.communicate()[1])

    def told(self):
        return self.notify.recv(1024).decode()

    def libraries(self):
        maps = Path(f"/proc/{self.process.pid}/maps").read_text()
        return sorted(set(re.findall(r"(/\S+\.so\S*)$", maps, re.MULTILINE)))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        told = self.told()
        _, log = self.process.communicate(timeout=TIMEOUT)
        self.notify.close()
        self.directory.cleanup()
        return self.process.returncode, told, log


# deploy/README.md shows it.
PROGRAM = re.search(r"```cpp\n(.*?)```", (ROOT / "deploy/README.md").read_text(), re.DOTALL).group(1)


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.directory / "first"], check=True, capture_output=True)
        cls.prefix = cls.directory / "then" / "moved"
        cls.prefix.parent.mkdir()
        (cls.directory / "first").rename(cls.prefix)

    def easel(self, server, *arguments):
        return subprocess.run([self.prefix / "bin/easel", *arguments, "--server", server.address], capture_output=True,
                              text=True, timeout=TIMEOUT)

    @unittest.skipUnless(NAMESPACE, "needs root or user namespaces, to hide directories")
    def test_moved_it_draws_a_picture_without_sources_build_or_libtorch(self):
        server = Server(self.prefix, hidden=HIDDEN)
        picture = self.directory / "out.png"
        done = self.easel(server, "generate", "red apple", "-o", str(picture), "--steps", "4")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(server.stop()[0], 0)

    def test_it_carries_the_libraries_of_libtorch_that_easeld_loads_and_no_other(self):
        server = Server(self.prefix)
        loaded = server.libraries()
        self.assertEqual(server.stop()[0], 0)
        carried = sorted(str(path) for path in (self.prefix / "lib/easel").rglob("*.so*"))
        self.assertEqual([path for path in loaded if path.startswith(str(self.prefix))], carried)
        self.assertEqual([path for path in loaded if path.startswith(str(LIBTORCH.parent))], [])

    def test_its_programs_do_not_tell_where_they_were_built(self):
        """So that the same sources give the same programs, wherever they lie."""
        for name in ("easeld", "easel"):
            program = (self.prefix / "bin" / name).read_bytes()
            self.assertEqual([str(place) for place in FAR if os.fsencode(place) in program], [], name)

    def test_what_an_image_takes_of_it_is_nothing_for_compilers(self):
        """The Dockerfile's COPY, without a build of the image, which container_test makes where it can."""
        dockerfile = (ROOT / "Dockerfile").read_text()
        for target in ("cpu", "cuda"):
            copied = re.findall(rf"^COPY --from=build-{target} /opt/easel/(\S+) /opt/easel/\1$", dockerfile, re.MULTILINE)
            self.assertEqual(copied, ["lib/easel", "share", "bin"])
            names = [path.name for folder in copied for path in (self.prefix / folder).rglob("*")]
            self.assertIn("libtorch_cpu.so", names)
            self.assertEqual([name for name in names if re.search(r"\.(h|a|cmake)$", name)], [])

    def test_notice_names_every_library_that_is_loaded(self):
        server = Server(self.prefix)
        loaded = server.libraries()
        self.assertEqual(server.stop()[0], 0)
        notice = (self.prefix / "share/doc/easel/NOTICE").read_text()
        named = tuple(re.findall(r"\blib\w[\w+-]*", notice))
        glibc = re.compile(r"ld-linux|lib(c|m|dl|rt|pthread|util|resolv|nss_\w+)\.so")
        unnamed = [path for path in loaded if not Path(path).name.startswith(named) and not glibc.match(Path(path).name)]
        self.assertEqual(unnamed, [])
        for wheel in LIBTORCH.parent.glob("*.dist-info/licenses"):
            self.assertTrue(any((self.prefix / "share/doc/easel/licenses" / wheel.parent.stem).iterdir()), wheel)

    @unittest.skipUnless(shutil.which("dpkg-query"), "needs Debian's package lists")
    def test_notice_names_the_debian_package_of_every_library_that_is_linked(self):
        part = (self.prefix / "share/doc/easel/NOTICE").read_text().split("Libraries that Easel's tree")[0]
        rows = [re.split(r"\s{2,}", line.strip()) for line in part.splitlines()]
        packages = [re.escape(name).replace("\\*", "[a-z]*") for row in rows if len(row) == 3 for name in row[1].split(", ")]
        self.assertGreater(len(packages), 15)
        linked = set()
        for program in ("easeld", "easel"):
            told = subprocess.run(["ldd", self.prefix / "bin" / program], check=True, capture_output=True, text=True).stdout
            linked |= {Path(path).resolve() for path in re.findall(r"=> (/\S+)", told)}
        linked = {path for path in linked if self.prefix.resolve() not in path.parents}
        self.assertGreater(len(linked), 20)
        for path in linked:
            # /lib is /usr/lib; dpkg may know either.
            for name in (path, Path("/", *path.parts[2:]) if path.parts[1] == "usr" else Path("/usr", *path.parts[1:])):
                owner = subprocess.run(["dpkg-query", "--search", name], capture_output=True, text=True).stdout.split(":")[0]
                if owner:
                    break
            self.assertTrue(owner, f"{path} is of no package")
            self.assertTrue(Path(f"/usr/share/doc/{owner}/copyright").exists(), owner)
            if owner != "libc6":
                self.assertTrue(any(re.fullmatch(package, owner) for package in packages), f"NOTICE does not name {owner}, which has {path}")

    def test_systemd_hears_of_readiness_when_it_serves_and_of_stopping(self):
        for abstract in (False, True):
            with self.subTest(abstract=abstract):
                server = Server(self.prefix, abstract=abstract)
                self.assertEqual(server.told(), "READY=1")
                self.assertEqual(self.easel(server, "health").returncode, 0)
                code, told, _ = server.stop()
                self.assertEqual((code, told), (0, "STOPPING=1"))

    def test_a_notify_socket_that_is_not_there_is_told_and_stops_nothing(self):
        done = subprocess.Popen([self.prefix / "bin/easeld", "--listen", "127.0.0.1:0", "--metrics-listen", "off"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "NOTIFY_SOCKET": str(self.directory / "nobody")})
        done.stdout.readline()
        done.send_signal(signal.SIGTERM)
        _, log = done.communicate(timeout=TIMEOUT)
        self.assertEqual(done.returncode, 0)
        self.assertIn("systemd not told", log)
        self.assertIn("READY=1", log)

    def test_a_program_that_uses_the_installed_client_library_draws_a_picture(self):
        source, build, picture = (self.directory / name for name in ("program", "program-build", "program.png"))
        source.mkdir()
        (source / "program.cc").write_text(PROGRAM)
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.25)\nproject(program CXX)\nfind_package(easel REQUIRED CONFIG)\n"
            "add_executable(program program.cc)\ntarget_link_libraries(program PRIVATE easel::image_client)\n")
        for command in (["-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}"], ["--build", build]):
            done = subprocess.run(["cmake", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual(done.returncode, 0, done.stdout)
        server = Server(self.prefix)
        done = subprocess.run([build / "program", server.address, picture], capture_output=True, text=True, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(server.stop()[0], 0)

    def test_version_tells_build_libtorch_cuda_and_revision(self):
        done = subprocess.run([self.prefix / "bin/easeld", "--version"], capture_output=True, text=True, timeout=TIMEOUT)
        lines = dict(line.split(": ", 1) for line in done.stdout.splitlines()[1:])
        self.assertRegex(done.stdout, r"^easeld \d+\.\d+\.\d+\n")
        self.assertRegex(lines["build"], r"^\w+, GNU-\d|^\w+, Clang-\d")
        self.assertEqual(lines["LibTorch"], LIBTORCH_VERSION)
        self.assertRegex(lines["CUDA"], r"^none$|^\d+\.\d+$")
        if (ROOT / ".git").exists():
            revision = lines["revision"].removesuffix("-dirty")
            known = subprocess.run(["git", "rev-parse", "--verify", "--quiet", revision + "^{commit}"], cwd=ROOT, capture_output=True)
            self.assertEqual(known.returncode, 0, revision)

        client = subprocess.run([self.prefix / "bin/easel", "--version"], capture_output=True, text=True, timeout=TIMEOUT).stdout
        of_client = dict(line.split(": ", 1) for line in client.splitlines()[1:])
        self.assertEqual(client.splitlines()[0].split()[1], done.stdout.splitlines()[0].split()[1])
        self.assertEqual(of_client, {key: lines[key] for key in ("build", "revision")})

    @unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
    def test_the_unit_is_valid_and_shut_in(self):
        unit = self.directory / "easeld.service"
        text = (self.prefix / "lib/systemd/system/easeld.service").read_text()
        self.assertIn("\nExecStart=/usr/bin/easeld\n", text)
        unit.write_text(text.replace("/usr/bin/easeld", str(self.prefix / "bin/easeld")))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
