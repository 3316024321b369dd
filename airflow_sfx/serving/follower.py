"""Keeps loaded what a name means, and swaps it when the name moves.

The new version is loaded and its golden rows are checked beside the old one, which answers
meanwhile, and goes on if the new one is refused. A swap is one assignment: a request takes the
version once, so its answer is of one version.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_sfx.core.errors import InconsistentBatch, ModelRefused, SfxError
from airflow_sfx.serving.served import Served
from airflow_sfx.serving.sources import Source

LOOKS = 0.5
"""How often an alias is looked up, in seconds."""
_LONGEST = 2.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the newest version is not served.

    Args:
        version: The version, or empty if it is not known.
        reason: What failed.
        refused: Whether the version itself was refused, so that it is not tried again.
        since: Since when.
    """

    version: str
    reason: str
    refused: bool
    since: datetime

    def document(self) -> dict[str, object]:
        """Return what the server says about it."""
        return {
            "version": self.version or None,
            "reason": self.reason,
            "refused": self.refused,
            "since": self.since.isoformat(),
        }


class Follower:
    """The version that a name means, loaded.

    Args:
        source: Where the model is from.

    Attributes:
        source: Where the model is from.
        swaps: How often another version was swapped in.
        trouble: Why the newest version is not served; None if it is.
        looked: When the name was last looked up, by the monotonic clock.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.swaps = 0
        self.trouble: Trouble | None = None
        self.looked = time.monotonic()
        self._served: Served | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def served(self) -> Served:
        """The version that answers now."""
        assert self._served is not None
        return self._served

    def load(self) -> None:
        """Load the first version: the newest, or the one before if that is refused.

        Raises:
            ModelRefused: No version of the name can be served.
            SfxError: The name means no model, or the warehouse does not respond.
        """
        newest = self.source.newest()
        try:
            self._served = self._loaded(newest)
        except (ModelRefused, InconsistentBatch) as error:
            for version in self.source.earlier():
                with suppress(SfxError):
                    self._served = self._loaded(version)
                    self._refuse(newest, error)
                    return
            raise

    def start(self) -> None:
        """Follow the name from now on, if it may move."""
        if self.source.moves:
            self._thread = threading.Thread(target=self._follow, daemon=True, name="sfx-follower")
            self._thread.start()

    def stop(self) -> None:
        """Follow the name no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _follow(self) -> None:
        failed = 0
        while not self._stopped.wait(min(_LONGEST, LOOKS * 2**failed)):
            failed = 0 if self.look() else min(failed + 1, 10)

    def look(self) -> bool:
        """Look the name up once, and swap if it has moved.

        Returns:
            Whether it could be looked up, and what it means could be read.
        """
        version = ""
        try:
            version = self.source.newest()
            self.looked = time.monotonic()
            if version == self.served.version:
                self.trouble = None
            elif not (self.trouble and self.trouble.refused and self.trouble.version == version):
                self._served, self.trouble = self._loaded(version), None
                self.swaps += 1
        except ModelRefused as error:
            self._refuse(version, error)
        except SfxError as error:
            self._remember(Trouble(version, str(error), False, datetime.now(UTC)))
            return False
        return True

    def _loaded(self, version: str) -> Served:
        """Load a version, and refuse it if its own code or library raises any error."""
        try:
            return self.source.served(version)
        except SfxError:
            raise
        except Exception as error:
            _log.debug("The version %s failed", version, exc_info=True)
            raise ModelRefused(
                f"the version {version} cannot be loaded here ({type(error).__name__}): install the"
                " versions of its env/requirements.lock"
            ) from error

    def _refuse(self, version: str, error: SfxError) -> None:
        self._remember(Trouble(version, str(error), True, datetime.now(UTC)))

    def _remember(self, trouble: Trouble) -> None:
        """Keep a trouble, and log it once."""
        known = self.trouble
        if known and (known.version, known.reason) == (trouble.version, trouble.reason):
            return
        self.trouble = trouble
        _log.warning("%s: %s", self.source.name, trouble.reason)
