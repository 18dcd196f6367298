"""A git repository as a source. Its files are read from its objects; nothing is ever checked out.

The git command does the work. Transports are named one by one, the host is looked at as that of a page is,
and no configuration, hook or prompt of git gets to run anything.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from app.sources.connections import NameUnknown, resolve
from app.sources.errors import ItemRefused, SourceUnavailable
from app.sources.items import Check, Fetched, Item, Known, Listing

SYNCED = "refs/footnote/synced"
PORTS = {"https": 443, "http": 80, "ssh": 22}
REGULAR_FILES = ("100644", "100755")
SCP_LIKE = re.compile(r"(?:[\w.-]+@)(?P<host>[\w.-]+):(?!//).+")
POLLING_SECONDS = 0.2
DAMAGED = re.compile(r"\.lock'|corrupt|bad object|not a git repository: '|shallow file has changed")
PERMANENT = re.compile(
    r"not found|couldn't find remote ref|could not read Username|Authentication failed|Permission denied|"
    r"does not appear to be a git repository|not allowed|Host key verification failed|not our ref"
)


class RepositoryReader:
    """Fetches the newest commit into a bare clone and reads files from it.

    Args:
        location: Of the repository; `app.sources.kinds.check_source` found its transport allowed.
        branch: A branch or tag; the repository's own default if None.
        folder: The part that is read; all of it if empty.
        allow_private: Whether hosts in private networks, plain HTTP and folders may be cloned.
        uri_prefix: Begins the address of a document, before its path; the location if None.
        clone: Where the clone lies, or is made.
        max_bytes: Largest file.
        timeout_seconds: Longest time for one git command.
        check: Raises where the process wants to end.
    """

    def __init__(
        self,
        location: str,
        *,
        branch: str | None,
        folder: str,
        allow_private: bool,
        uri_prefix: str | None,
        clone: Path,
        max_bytes: int,
        timeout_seconds: float,
        check: Check,
    ) -> None:
        self._location = location
        self._branch = branch
        self._folder = folder
        self._allow_private = allow_private
        self._uri_prefix = f"{location}#" if uri_prefix is None else uri_prefix
        self._clone = clone
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._check = check

    def list_items(self) -> Listing:
        """The regular files of the newest commit, hidden ones passed over. Fetches that commit first."""
        self._fetch_newest()
        below = f"{self._folder}/" if self._folder else ""
        arguments = ["ls-tree", "-r", "-z", "--full-tree", SYNCED, *(["--", below] if below else [])]
        items = []
        for entry in self._git(*arguments).split(b"\0"):
            if not entry:
                continue
            head, _, raw_path = entry.partition(b"\t")
            mode, _kind, blob = head.decode().split()
            path = raw_path.decode("utf-8", "replace").removeprefix(below)
            if mode not in REGULAR_FILES or any(part.startswith(".") for part in path.split("/")):
                continue
            items.append(Item(key=path, uri=self._uri_prefix + path, etag=blob))
        if below and not items:
            raise SourceUnavailable(
                f"{self._location} has no files in the folder {self._folder!r}; check the option folder",
                temporary=False,
            )
        return Listing(items=tuple(items))

    def fetch(self, item: Item, known: Known) -> Fetched:
        """The bytes of a file."""
        del known
        assert item.etag is not None
        size = int(self._git("cat-file", "-s", item.etag))
        if size > self._max_bytes:
            raise ItemRefused(
                f"{item.key!r} is larger than {self._max_bytes:,} bytes; leave it out, or raise "
                "FOOTNOTE_MAX_UPLOAD_BYTES"
            )
        data = self._git("cat-file", "blob", item.etag)
        return Fetched(data=data, name=item.key, etag=item.etag)

    def close(self) -> None:
        """Nothing is held open."""

    def _fetch_newest(self) -> None:
        connection = self._connection()
        wanted = ["--", self._location, f"+{self._branch or 'HEAD'}:{SYNCED}"]
        arguments = [*connection, "fetch", "--depth=1", "--no-tags", "--no-recurse-submodules", *wanted]
        try:
            self._init()
            self._git(*arguments)
        except SourceUnavailable as error:
            if not DAMAGED.search(str(error)):
                raise
            shutil.rmtree(self._clone, ignore_errors=True)  # a killed fetch left it so; it is only a copy
            self._init()
            self._git(*arguments)

    def _init(self) -> None:
        self._clone.mkdir(parents=True, exist_ok=True)
        self._git("init", "--bare", "--quiet", str(self._clone))

    def _connection(self) -> list[str]:
        """Options of git under which it reaches the looked-at address of the host, and nothing else."""
        scheme, host, port = _destination(self._location)
        options = ["-c", "protocol.allow=never", "-c", f"protocol.{scheme}.allow=always"]
        if scheme == "file":
            return options
        try:
            address = resolve(host, port, allow_private=self._allow_private)[0]
        except NameUnknown as error:
            raise SourceUnavailable(f"{self._location} can't be reached: {error}", temporary=True) from error
        except ItemRefused as error:
            raise SourceUnavailable(
                f"{self._location} may not be reached: {error}", temporary=False
            ) from error
        if scheme == "ssh":
            ssh = f"ssh -o BatchMode=yes -o HostName={address} -o HostKeyAlias={host}"
            return [*options, "-c", f"core.sshCommand={ssh}"]
        bracketed = f"[{address}]" if ":" in address else address
        return [
            *options,
            "-c",
            f"http.curloptResolve={host}:{port}:{bracketed}",
            "-c",
            "http.followRedirects=false",
            "-c",
            "http.proxy=",
        ]

    def _git(self, *arguments: str) -> bytes:
        """The standard output of a git command on the clone.

        Raises:
            SourceUnavailable: With what git said.
        """
        command = ["env", "LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "git", f"--git-dir={self._clone}"]
        command += ["-c", "gc.autoDetach=false", "-c", "core.hooksPath=/dev/null", *arguments]
        try:
            process = subprocess.Popen(  # noqa: S603 - no shell, and the location stands behind --
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise SourceUnavailable(
                "the command env is not here; install coreutils", temporary=False
            ) from None
        output, errors = self._wait(process)
        if process.returncode == 0:
            return output
        said = errors.decode("utf-8", "replace").strip()
        if process.returncode == 127:  # noqa: PLR2004 - what env says of a command that is not there
            said = "the command git is not here; install git"
        raise SourceUnavailable(
            f"{self._location} can't be read: {said}",
            temporary=PERMANENT.search(said) is None and process.returncode != 127,  # noqa: PLR2004
        )

    def _wait(self, process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
        deadline = time.monotonic() + self._timeout_seconds
        try:
            while True:
                self._check()
                try:
                    return process.communicate(timeout=POLLING_SECONDS)
                except subprocess.TimeoutExpired:
                    if time.monotonic() > deadline:
                        raise SourceUnavailable(
                            f"{self._location} took longer than {self._timeout_seconds:g} s; raise "
                            "FOOTNOTE_SYNC_TIMEOUT if it may",
                            temporary=True,
                        ) from None
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # with what git started itself
            process.communicate()
            raise


def _destination(location: str) -> tuple[str, str, int]:
    """Transport, host and port of a location."""
    short = SCP_LIKE.fullmatch(location)
    if short is not None:
        return "ssh", short["host"], PORTS["ssh"]
    parts = urlsplit(location)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
