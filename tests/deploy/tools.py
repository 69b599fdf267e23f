"""Where deploy/setup.sh --tests has put the tools that check deploy/. A tool that it installs and that is not there is a failure, not a skip."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
_TOOLS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "easel/deploy-tools"
sys.path.insert(0, str(_TOOLS / "python"))  # kubernetes_validate, and yaml and jsonschema with it


def tool(name):
    """Its path, from PATH or from what deploy/setup.sh unpacked."""
    places = [os.environ["PATH"], "/usr/sbin", str(_TOOLS / "usr/bin"), str(_TOOLS / "usr/sbin"),
              str(_TOOLS / "python/envoy/_bin")]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise FileNotFoundError(f"{name} is not here: run deploy/setup.sh --tests")
    return found


def run(*command, **options):
    """Exit code, and stdout and stderr together."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                          **options)
    return done.returncode, done.stdout
