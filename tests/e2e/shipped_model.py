"""easeld with the shipped model, and the packages that deploy/setup.sh --tests unpacks, for tests whose first arguments are EASELD EASEL."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/deploy"))
import tools  # noqa: E402,F401  (its import puts the packages on the path)

EASELD, EASEL = sys.argv[1:3]
MODEL = "reference"
TIMEOUT = 120  # seconds, for a machine under load; nothing depends on it


class ShippedModelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.log = tempfile.TemporaryFile("w+")
        cls.process = subprocess.Popen([EASELD, "--listen", "127.0.0.1:0", "--metrics-listen", "off"],
                                       stdout=subprocess.PIPE, stderr=cls.log, text=True)
        cls.address = cls.process.stdout.readline().removeprefix("listening on ").strip()

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        code = cls.process.wait(TIMEOUT)
        cls.process.stdout.close()
        cls.log.close()
        assert code == 0, code

    def generated(self, *arguments):
        """The picture that `easel generate` writes."""
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "out.png"
            done = subprocess.run([EASEL, "generate", "--server", self.address, *arguments, "-o", str(path)],
                                  capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual(done.returncode, 0, done.stderr)
            return path.read_bytes()
