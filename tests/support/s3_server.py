"""A real S3 server on a loopback port, for tests: versitygw over a folder, or the one that HUA_TEST_S3 names."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import httpx

from helm.go_program import GoBuildError, go_program, path_of
from tests.support.tools import build_lock, free_port, installed, suspend, until_it_answers

VERSION = "v1.8.0"
MODULE = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
START_S = 10
HELP = (
    "tests of the bucket need an S3 server: install Go 1.24 or newer, so that they can build versitygw, or put a "
    "versitygw on the PATH, or set HUA_TEST_S3=ENDPOINT,ACCESS_KEY,SECRET_KEY,BUCKET"
)


class S3Server:
    """May be stopped, started again with its data, and suspended. Logs one line for each request."""

    access_key, secret_key, bucket = "hua-test", "not-much-of-a-secret", "hua"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._log = folder / "requests.log"
        (folder / "buckets" / self.bucket).mkdir(parents=True)
        (folder / "metadata").mkdir()

    def start(self) -> None:
        secrets = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        options = ["--quiet", "--port", f"127.0.0.1:{self.port}", "--access-log", str(self._log)]
        # Metadata of objects in a folder of its own: not every file system has extended attributes.
        store = ["posix", "--sidecar", str(self._folder / "metadata"), str(self._folder / "buckets")]
        command = [executable(), *options, *store]
        self._process = subprocess.Popen(command, env=os.environ | secrets, stdout=subprocess.DEVNULL)
        until_it_answers("versitygw", self._process, self._answers, START_S)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """From now on it accepts connections and does not answer."""
        suspend(self._process)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def requests(self) -> list[str]:
        """One line for each request, oldest first."""
        return self._log.read_text().splitlines()

    @property
    def settings(self) -> dict[str, object]:
        """The fields of `Settings` that lead to this server."""
        return {
            "bucket": f"s3://{self.bucket}",
            "s3_endpoint": self.endpoint,
            "s3_access_key": self.access_key,
            "s3_secret_key": self.secret_key,
        }

    def _answers(self) -> bool:
        try:
            return httpx.get(self.endpoint, trust_env=False).status_code < 500
        except httpx.TransportError:
            return False


class ExternalS3Server(S3Server):
    """A server that runs already. It is neither started nor stopped."""

    def __init__(self, address: str) -> None:
        self.endpoint, self.access_key, self.secret_key, self.bucket = address.split(",")

    def start(self) -> None:
        assert self._answers(), f"HUA_TEST_S3: nothing answers at {self.endpoint}"

    def stop(self) -> None:
        pass


def executable() -> str:
    """The path of versitygw, which is built if it is missing, so no test is skipped for it."""
    if not path_of("versitygw", MODULE).exists():
        if found := shutil.which("versitygw"):
            return found
        try:
            installed("go", "golang-go")
            with build_lock():
                go_program("versitygw", MODULE)
        except (AssertionError, GoBuildError) as error:
            raise AssertionError(f"{HELP}: {error}") from error
    return str(path_of("versitygw", MODULE))
