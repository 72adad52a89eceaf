"""Calls over HTTP whose outcome is always a value: an answer, or a fault that says whether a byte was written.

The only user of requests, urllib3 (with `connection`) and tenacity. No redirects, no proxies or credentials from the
environment, no cookies; bodies, waits and repeats are bounded. A session per thread: requests' sessions are not
thread-safe, and a connection of one's own is what makes the deadline of `connection` total.
"""

import logging
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from http.client import IncompleteRead
from typing import Any, cast

import requests
import tenacity
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse, PoolManager

from shared.providers.connection import Call, PlainPool, TlsPool, current, verifying
from shared.providers.raw_answers import Fault, HttpAnswer, HttpFault, retry_after_s
from shared.settings.sections import HttpSettings

_READ_ATTEMPTS = 3
_CHUNK_BYTES = 65_536
_GZIP, _MAX_MEMBERS = 16 + zlib.MAX_WBITS, 100

# urllib3 writes URLs into its messages, and the queries of look-ups hold phones and registers.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class Http:
    """Calls to one provider. Thread-safe.

    ca_file: a PEM bundle in place of the public authorities. allows: to which addresses connections may go; others
    that a name has are passed over.
    """

    def __init__(
        self,
        base_url: str,
        limits: HttpSettings,
        *,
        ca_file: str | None = None,
        allows: Callable[[str], bool] | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._limits, self._allows = limits, allows
        self._authorities = ca_file or DEFAULT_CA_BUNDLE_PATH
        self._context: ssl.SSLContext | None = None
        self._lock, self._local = threading.Lock(), threading.local()

    def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        deadline_s: float | None = None,
        whole: bool = True,
    ) -> HttpAnswer | HttpFault:
        """One request, once. Takes `deadline_s` at most (the settings' total time-out if None), DNS included.

        whole: False where the status is all that counts: a body that can't be read whole within its limit is left out.
        A body is sent as JSON unless the headers name another type. Raises nothing for what the network or the server
        does; ValueError for headers that can't be sent.
        """
        request = self._prepare(method, path, headers or {}, body, params)
        total_s = deadline_s or self._limits.total_timeout_s
        self._end_last()
        call = current.call = Call(total_s, self._limits.connect_timeout_s, self._allows)
        response: HTTPResponse | None = None
        try:
            # These time-outs never decide: `connection` gives every wait what is left of the call.
            timeout = (total_s, total_s)
            sent = self._session().send(request, stream=True, timeout=timeout, proxies={}, allow_redirects=False)
            response = cast(HTTPResponse, sent.raw)
            answer = _whole(response, self._limits.max_body_bytes)
            self._local.last = answer, call.connection
            return answer
        except Exception as error:  # whatever the libraries raise: after a written byte nothing may pass as not sent
            if response is not None:
                response.close()  # half-read: never back into the pool
            if call.connection is not None:
                call.connection.close()
            if response is not None and not whole:
                return HttpAnswer(response.status, response.headers, b"", retry_after_s(response.headers))
            return _fault(error, call.written)

    def read(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        deadline_s: float | None = None,
    ) -> HttpAnswer | HttpFault:
        """Like `call`, for what may be repeated: up to 3 times when the connection failed, within one deadline."""
        whole = Call(deadline_s or self._limits.total_timeout_s, 0)
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_READ_ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=0.1, max=1),
            retry=tenacity.retry_if_result(_connection_failed),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )

        def once() -> HttpAnswer | HttpFault:
            try:
                left_s = whole.left_s()
            except TimeoutError as error:
                return _fault(error, written=False)
            return self.call(method, path, headers=headers, body=body, params=params, deadline_s=left_s)

        return retrying(once)

    def end(self) -> None:
        """This thread calls no more: its connection is closed."""
        self._end_last()
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            self._local.session = None

    def keep(self, outcome: HttpAnswer | HttpFault) -> None:
        """This answer was read as one that the document describes: this thread's next call may use its connection.

        Unsaid, the connection ends: what nobody described may be a gateway's word, and the provider's own answer still
        on its way, to be taken for the answer to the next request. Only the answer to the thread's last call can be
        kept; 408, 5xx and faults have ended their connection by themselves.
        """
        last = getattr(self._local, "last", None)
        if last is not None and last[0] is outcome:
            self._local.last = None

    def _end_last(self) -> None:
        last, self._local.last = getattr(self._local, "last", None), None
        if last is not None and last[1] is not None:
            last[1].close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = _Session()
            session.trust_env = False
            session.cookies = _NoCookies()
            session.adapters.clear()
            session.mount(self._base_url, _Adapter(self._base_url, self._tls()))
            self._local.session = session
        return session

    def _tls(self) -> ssl.SSLContext | None:
        """One for all connections: to read the authorities takes longer than a call. None: nothing is encrypted."""
        if not self._base_url.lower().startswith("https:"):
            return None
        with self._lock:
            self._context = self._context or verifying(self._authorities)
            return self._context

    def _prepare(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None, params: Mapping[str, Any] | None
    ) -> requests.PreparedRequest:
        """What requests' own `prepare` does, less what a call with fixed headers does not need."""
        request = requests.PreparedRequest()
        request.method = method
        request.headers = CaseInsensitiveDict(_FIXED_HEADERS)
        request.headers.update(headers)
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {name} holds characters that can't be sent")
        request.hooks, request.body, request.url = {}, body, self._base_url + path
        if params:
            request.prepare_url(request.url, {k: v for k, v in params.items() if v is not None})
        if body is not None:
            request.headers.setdefault("Content-Type", "application/json")
            request.headers["Content-Length"] = str(len(body))
        elif method != "GET":
            request.headers["Content-Length"] = "0"
        return request


_FIXED_HEADERS = {
    "User-Agent": "settlepipe",
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # no bombs; `_decoded` bounds what is coded all the same
    "Connection": "keep-alive",
}


class _Session(requests.Session):
    def get_redirect_target(self, _resp: requests.Response) -> None:
        """None are followed. Asked even so, requests would read the whole body of a redirect, of any size."""


class _NoCookies(RequestsCookieJar):
    def extract_cookies(self, _response: Any, _request: Any) -> None:
        """A provider's cookies are not kept: a call depends on nothing before it."""


class _Adapter(HTTPAdapter):
    """One pool with one connection, found once: requests would look it up and parse its URL for each call."""

    def __init__(self, base_url: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        cast(PoolManager, self.poolmanager).pool_classes_by_scheme = {"http": PlainPool, "https": TlsPool}
        request = requests.Request("GET", base_url).prepare()
        pool: Any = super().get_connection_with_tls_context(request, True)
        if tls is not None:
            pool.cert_reqs, pool.ca_certs, pool.conn_kw["ssl_context"] = "CERT_REQUIRED", None, tls
        self._pool = pool

    def get_connection_with_tls_context(self, *_args: Any, **_kwargs: Any) -> Any:
        return self._pool

    def cert_verify(self, *_args: Any, **_kwargs: Any) -> None:
        """The pool's context does."""

    def request_url(self, request: requests.PreparedRequest, _proxies: Any) -> str:
        return request.path_url

    def build_response(self, request: requests.PreparedRequest, resp: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response.raw, response.request = resp.status, resp, request
        return response


def _whole(response: HTTPResponse, limit: int) -> HttpAnswer:
    if (response.length_remaining or 0) > limit:
        raise _TooLarge
    body = b"".join(_pieces(response, limit))
    body = _decoded(body, response.headers.get("Content-Encoding"), limit)
    return HttpAnswer(response.status, response.headers, body, retry_after_s(response.headers))


def _pieces(response: HTTPResponse, limit: int) -> Iterator[bytes]:
    size = 0
    while piece := response.read(_CHUNK_BYTES, decode_content=False):
        size += len(piece)
        if size > limit:
            raise _TooLarge
        yield piece


def _decoded(body: bytes, encoding: str | None, limit: int) -> bytes:
    """All that the body says: each member of a gzip file, and nothing beside them."""
    if encoding is None or encoding.lower() == "identity":
        return body
    if encoding.lower() not in ("gzip", "x-gzip"):  # also where the header stands twice
        raise ValueError("an encoding that was not asked for")
    members: list[bytes] = []
    left = limit
    while body or not members:
        decoder = zlib.decompressobj(_GZIP)
        plain = decoder.decompress(body, left + 1)
        if len(plain) > left:
            raise _TooLarge
        if not decoder.eof:
            raise IncompleteRead(plain)
        if not plain or len(members) == _MAX_MEMBERS:
            raise ValueError("an empty member, which readers of one member alone would stop at, or too many")
        members.append(plain)
        left, body = left - len(plain), decoder.unused_data
    return b"".join(members)


class _TooLarge(Exception):  # noqa: N818
    pass


def _fault(error: BaseException, written: bool) -> HttpFault:
    """The fault behind what requests raised around what urllib3 raised around the error itself."""
    chain = [error]
    while (inner := chain[-1].__cause__ or chain[-1].__context__) and inner not in chain:
        chain.append(inner)
    detail = type(chain[-1]).__name__
    if not written:
        return HttpFault(Fault.NOT_CONNECTED, False, detail)
    kinds: tuple[tuple[Fault, type[BaseException]], ...] = (
        (Fault.TOO_LARGE, _TooLarge),
        (Fault.TIME_OUT, TimeoutError),
        (Fault.SHORT_BODY, IncompleteRead),
        (Fault.RESET, OSError),
    )
    causes = [cause for cause in chain if not isinstance(cause, requests.RequestException)]  # those are all OSErrors
    for kind, class_ in kinds:
        if any(isinstance(cause, class_) for cause in causes):
            return HttpFault(kind, True, detail)
    return HttpFault(Fault.MALFORMED, True, detail)


def _connection_failed(outcome: HttpAnswer | HttpFault) -> bool:
    return isinstance(outcome, HttpFault) and outcome.kind in (Fault.NOT_CONNECTED, Fault.RESET)
