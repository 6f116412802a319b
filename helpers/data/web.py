"""Asking web servers, politely and again: what is worth another attempt, how long to wait, and what to say when it is in vain."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from helpers.errors import InputError

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Sleep = Callable[[float], None]
TIMEOUT = httpx.Timeout(30.0, connect=15.0)
ATTEMPTS = 5
LONGEST_WAIT = 60.0
BUSY = {429, 500, 502, 503, 504}
MIRROR_CURE = "or name a mirror (--mirror, GENOMICS_DATA_MIRROR)"


class AgainError(Exception):
    """The server asked to come back later, or gave less than it promised; `wait` is the pause in seconds that it asked for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class UnreachableError(InputError):
    """The server did not answer, however often it was asked."""


def with_retries(
    action: Callable[[], Result],
    url: str,
    *,
    sleep: Sleep = time.sleep,
    attempts: int = ATTEMPTS,
    reached: Callable[[], int] = lambda: 0,
) -> Result:
    """Do something on the web, again while the server is busy or the connection breaks.

    Parameters
    ----------
    action : callable
        What to do; it raises `AgainError`, or one of httpx's transport errors, where another attempt is worth it.
    url : str
        What error messages name.
    sleep : callable
        Waits between attempts: 1, 2, 4 ... seconds, or what the server asked for, at most a minute.
    attempts : int
        How often to fail in a row before giving up; an attempt that reached further than all before it does not count.
    reached : callable
        How far it got, in bytes.

    Returns
    -------
    object
        What `action` returned.

    Raises
    ------
    InputError
        If the address is no web address; `UnreachableError` if the last attempt failed too.
    """
    furthest, failures = reached(), 0
    while True:
        try:
            return action()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as problem:
            raise InputError(f"{url}: {problem}; correct the address in the manifest, {MIRROR_CURE}") from None
        except (AgainError, httpx.TransportError) as problem:
            reason = str(problem) or type(problem).__name__
            wait = problem.wait if isinstance(problem, AgainError) else None
        got = reached()
        failures = 0 if got > furthest else failures + 1
        furthest = max(got, furthest)
        if failures >= attempts:
            raise UnreachableError(f"{url}: {reason} ({attempts} attempts); check the network, try later, {MIRROR_CURE}")
        pause = min(2.0 ** max(failures - 1, 0) if wait is None else wait, LONGEST_WAIT)
        log.info("%s: %s; again in %.0f s", url, reason, pause)
        sleep(pause)


def check_status(answer: httpx.Response, url: str, missing: str) -> None:
    """Let a good answer pass, and raise for any other.

    Parameters
    ----------
    answer : httpx.Response
        What the server said.
    url : str
        What was asked for.
    missing : str
        What to say and do where there is no such thing.

    Raises
    ------
    AgainError
        If the server is busy.
    InputError
        If there is no such file, or it is not to be had.
    """
    status = f"{answer.status_code} {answer.reason_phrase}".strip()
    if answer.status_code in BUSY:
        asked = answer.headers.get("Retry-After", "")
        raise AgainError(f"the server answers {status}", float(asked) if asked.isdigit() else None)
    if answer.status_code in (404, 410):
        raise InputError(f"{url}: {missing} ({status})")
    if not answer.is_success:
        raise InputError(f"{url}: the server answers {status}; open the address in a browser to see why, {MIRROR_CURE}")


def request_json(url: str, *, missing: str, sleep: Sleep = time.sleep, attempts: int = ATTEMPTS) -> dict[str, Any]:
    """Ask a web service for a JSON record, again where it is busy.

    Parameters
    ----------
    url : str
        Address of the record.
    missing : str
        What to say and do where there is no such record.
    sleep, attempts
        As in `with_retries`.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If there is no such record, the service does not answer, or the answer is not a JSON record.
    """

    def ask() -> dict[str, Any]:
        answer = httpx.get(url, headers={"Accept": "application/json"}, follow_redirects=True, timeout=TIMEOUT)
        check_status(answer, url, missing)
        try:
            content = answer.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise InputError(f"{url}: the answer is not a JSON record; check the address of the service")
        return content

    return with_retries(ask, url, sleep=sleep, attempts=attempts)
