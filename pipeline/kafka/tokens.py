"""Tokens for logins by OAUTHBEARER: printed by a command, or given for client credentials (RFC 6749, 4.4)."""

import asyncio
import base64
import http.client
import json
import re
import shlex
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiokafka.abc import AbstractTokenProvider

from pipeline.errors import StartupError
from pipeline.kafka.connection import Security
from pipeline.kafka.secret import secret_in

__all__ = ["Tokens"]

_SECONDS: Final = 10
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What may stand in a header, and so behind ``auth=Bearer`` (RFC 6750)."""
_USED: Final = 0.8
"""Part of a token's life for which it is given to new connections."""
_MOST_BYTES: Final = 1 << 20
_COMMAND, _URL = "FOOTFALL_SASL_TOKEN_COMMAND", "FOOTFALL_SASL_TOKEN_URL"


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Asked by each new connection. A token of a known life is kept for most of it; another is fetched every time."""

    def __init__(self, security: Security, clock: Callable[[], float] = time.monotonic) -> None:
        self._security = security
        self._clock = clock
        self._lock = threading.Lock()
        self._kept = ""
        self._until = 0.0

    async def token(self) -> str:
        """A token; raises StartupError, without a word of what was said, where there is none."""
        return await asyncio.to_thread(self._token)

    def forget(self) -> None:
        """The next connection is given a new one."""
        self._until = 0.0

    def _token(self) -> str:
        with self._lock:
            if self._clock() < self._until:
                return self._kept
            self._kept, life = self._printed() if self._security.token_command else self._granted()
            self._until = self._clock() + _USED * life
            return self._kept

    def _printed(self) -> tuple[str, float]:
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command
                shlex.split(self._security.token_command or ""),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StartupError(f"{_COMMAND} printed no token within {_SECONDS} s", "try it in a shell") from None
        except OSError as error:
            raise StartupError(
                f"{_COMMAND} cannot be run ({error.strerror})", "name a program that this user can run"
            ) from None
        if done.returncode:
            raise StartupError(f"{_COMMAND} ended with exit code {done.returncode}", "try it in a shell")
        return _checked(done.stdout.decode(errors="replace").strip(), _COMMAND), 0.0

    def _granted(self) -> tuple[str, float]:
        security = self._security
        form = {"grant_type": "client_credentials"} | ({"scope": security.scope} if security.scope else {})
        secret = secret_in("FOOTFALL_SASL_CLIENT_SECRET_FILE", security.client_secret_file or Path())
        pair = ":".join(urllib.parse.quote(part, safe="") for part in (security.client_id or "", secret))
        request = urllib.request.Request(  # noqa: S310 - the settings allow https, and http to this machine alone
            security.token_url or "",
            urllib.parse.urlencode(form).encode(),
            {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}", "Accept": "application/json"},
        )
        try:
            with _opener(security.ca_file).open(request, timeout=_SECONDS) as answer:
                parsed = json.loads(answer.read(_MOST_BYTES))
            return _checked(str(parsed["access_token"]), _URL), float(parsed.get("expires_in", 0))
        except urllib.error.HTTPError as error:
            raise StartupError(
                f"{_URL} answers {error.code}",
                "mend FOOTFALL_SASL_CLIENT_ID or what FOOTFALL_SASL_CLIENT_SECRET_FILE holds",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise StartupError(
                f"{_URL} does not answer ({type(reason).__name__})", "see that it can be reached from here"
            ) from None
        except (ValueError, TypeError, LookupError, AttributeError):
            raise StartupError(
                f"{_URL} gives no token", "see that it is the token endpoint for client credentials"
            ) from None


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows nothing: the secret is for one place alone."""

    def redirect_request(self, *_: object) -> None:
        """None: the answer is an error."""


def _opener(ca_file: Path | None) -> urllib.request.OpenerDirector:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _Straight())


def _checked(token: str, source: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise StartupError(
            f"{source} gives no token", "let it give a bearer token alone, in letters, digits and ._~+/-="
        )
    return token
