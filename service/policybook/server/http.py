"""The door for JSON over HTTP: the same methods, by the Connect protocol, on a port of its own.

`POST /policybook.v1.DecisionService/Decide` with a JSON (or protobuf) message is answered with one. The library does the protocol; what is asked and
answered, limits, errors and the log are those of gRPC, since the very same methods are called with the same bytes.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NoReturn

import grpc
from connectrpc.code import Code
from connectrpc.codec import Codec
from connectrpc.errors import ConnectError, ErrorDetail
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from protobuf.wkt import Any as WireAny

from policybook.errors import RequestError
from policybook.server.access.gate import Gate, Visit
from policybook.server.access.roles import Caller
from policybook.server.limits import Limits, RequestTooLargeError, TimeLimitError
from policybook.server.meter import Meter
from policybook.server.misread import fault_in
from policybook.server.routes import Routes, Unary, code_name, tell
from policybook.server.status import abortion, reason_of, status_of
from policybook.v1 import audit_service_pb2, decision_service_pb2, policy_service_pb2

log = logging.getLogger("policybook.http")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_FILES: tuple[FileDescriptor, ...] = (decision_service_pb2.DESCRIPTOR, policy_service_pb2.DESCRIPTOR, audit_service_pb2.DESCRIPTOR)
# What was held for the call that is being answered, until its answer has gone.
_HELD: ContextVar[contextlib.ExitStack] = ContextVar("held")
_DETAILS = {m.full_name: GetMessageClass(m) for m in error_details_pb2.DESCRIPTOR.message_types_by_name.values()}
_CODES = {
    code.value[0]: Code[code.name if code is not grpc.StatusCode.CANCELLED else "CANCELED"] for code in grpc.StatusCode if code.value[0]
}
# JSON of so many bytes is read or written within a millisecond or two.
SHORT = 32 * 1024
OPENAPI = "openapi.json"
# In the scope of a request: what returns when the caller has taken the answer, or will never take it.
GONE = "policybook.gone"
_STREAMS = frozenset(
    f"/{service.full_name}/{method.name}"
    for file in _FILES
    for service in file.services_by_name.values()
    for method in service.methods
    if method.client_streaming or method.server_streaming
)
_HEAD = "POST /PACKAGE.SERVICE/METHOD with a JSON body; openapi.json says what there is."
# What Connect refuses without a word.
_WORDS = {
    404: f"no such method; {_HEAD}",
    405: "POST the request to this method, as a JSON object in the body",
    415: "the body is JSON: say `content-type: application/json`",
}


def methods_of_files() -> Iterator[MethodDescriptor]:
    """Yield the methods that have one request and one answer."""
    for file in _FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                if not method.client_streaming and not method.server_streaming:
                    yield method


# ---------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it came, not looked at yet."""

    data: bytes
    is_json: bool


@dataclass(frozen=True, slots=True)
class _Answered:
    """An answer as it goes out."""

    data: bytes


class _Binary(Codec[Any, Any]):
    """Protobuf goes through as it is."""

    def name(self) -> str:
        return "proto"

    def encode(self, message: Any) -> bytes:
        return bytes(message.data)

    def decode(self, data: bytes | bytearray, message_class: Any) -> Any:
        return _Asked(bytes(data), is_json=False)


class _Json(_Binary):
    """So does JSON: it is read where that may take its time."""

    def name(self) -> str:
        return "json"

    def decode(self, data: bytes | bytearray, message_class: Any) -> Any:
        return _Asked(bytes(data), is_json=True)


def message_of_json(data: bytes, kind: type[Message]) -> bytes:
    """Read JSON strictly: an unknown field is a fault, and a number where text is wanted would have been a float on its way.

    Returns:
        the message's bytes
    Raises:
        RequestError: it cannot be read; where, and what is wanted
    """
    try:
        text = data.decode()
        if text.lstrip()[:1] not in ("{", ""):
            raise RequestError("", "the JSON cannot be read: a request is an object, `{...}`")
        return json_format.Parse(text or "{}", kind(), max_recursion_depth=100).SerializeToString()
    except UnicodeDecodeError:
        raise RequestError("", "the request is not UTF-8") from None
    except (json_format.ParseError, RecursionError, ValueError) as e:
        raise _fault_of(data, kind, str(e)) from None


def json_of_message(data: bytes, kind: type[Message]) -> bytes:
    """Write a message as JSON."""
    return json_format.MessageToJson(kind.FromString(data), indent=None, ensure_ascii=False).encode()


def _fault_of(data: bytes, kind: type[Message], said: str) -> RequestError:
    """Say what is wrong with a JSON text: where, and what is wanted."""
    found = None
    with contextlib.suppress(ValueError, RecursionError):
        found = fault_in(json.loads(data), kind.DESCRIPTOR)  # type: ignore[arg-type] # upb's and Python's descriptors are one to their users
    if found:
        return RequestError(found[0][:200], found[1])
    return RequestError("", f"the JSON cannot be read: {' '.join(said.split())[:500]}")


class _Context:
    """What stands for gRPC's context of a call."""

    def __init__(self, context: RequestContext[Any, Any]) -> None:
        self._context = context

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the headers."""
        return tuple(self._context.request_headers.allitems())

    def peer(self) -> str:
        """Return where the call comes from, as gRPC writes it."""
        address = self._context.client_address or ""
        return f"ipv6:[{address.rpartition(':')[0]}]:0" if address.count(":") > 1 else f"ipv4:{address}"

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> NoReturn:
        """End the call with a status."""
        await _abort(code, details, trailing_metadata)

    def code(self) -> None:
        """Say nothing: the call has not ended yet."""

    def done(self) -> bool:
        """Whether the call has ended."""
        return False

    def cancelled(self) -> bool:
        """Whether the caller has gone."""
        return False


def _visit(method: str, context: RequestContext[Any, Any]) -> Visit:
    """Describe a call to the gate."""
    headers: dict[str, str] = {}
    for name, value in context.request_headers.allitems():
        headers.setdefault(name.lower(), value)
    return Visit(method, headers, (context.client_address or "").rpartition(":")[0])


class _AtTheGate:
    """Lets calls in before anything of their bodies is read."""

    def __init__(self, routes: Routes, gate: Gate, meter: Meter | None) -> None:
        self._routes = routes
        self._gate = gate
        self._meter = meter
        self._inside: dict[int, Caller] = {}

    async def on_start(self, ctx: RequestContext[Any, Any]) -> None:
        """Let a call in."""
        name = f"/{ctx.method.service_name}/{ctx.method.name}"
        with contextlib.ExitStack() as inside:
            try:
                inside.enter_context(self._routes.counted())
                caller = await self._gate.enter(_visit(name, ctx))
            except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
                status = status_of(e)
                if self._meter is not None:
                    self._meter.called(name.rpartition(".")[2], code_name(status.code), 0.0, reason_of(status))
                await _abort(*abortion(status))
            inside.callback(self._gate.leave, caller)
            self._inside[id(ctx)] = caller
            _HELD.get().push(inside.pop_all())

    async def on_end(self, token: None, ctx: RequestContext[Any, Any], error: Exception | None, /) -> None:
        """Forget who it was: once the context is gone, another call's may have its id. The place stays taken until the answer has gone."""
        self._inside.pop(id(ctx), None)

    def caller(self, ctx: RequestContext[Any, Any]) -> Caller:
        """Return who was let in."""
        return self._inside[id(ctx)]


async def _refuse(error: Exception) -> NoReturn:
    """End a call with the status of an error, and its details."""
    code, words, trailers = abortion(status_of(error))
    await _abort(code, words, trailers)


async def _abort(code: grpc.StatusCode, details: str, trailing_metadata: Any) -> NoReturn:
    packed = dict(trailing_metadata).get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(packed) if packed else status_pb2.Status(code=code.value[0], message=details)
    made = [ErrorDetail(WireAny(type_url=d.type_url, value=d.value)) for d in status.details]
    raise _RefusedError(status, made)


class _RefusedError(ConnectError):
    def __init__(self, status: status_pb2.Status, details: list[ErrorDetail]) -> None:
        super().__init__(_CODES[status.code], status.message, details)
        self.status = status


# ---------------------------------------------------------------- the door


class Door(ConnectASGIApplication[None]):
    """The methods as an ASGI application.

    Args:
        methods: by full name
        routes: counts calls in progress, and tells when the end has come
        gate: lets calls in, or not
        meter: counts calls; None: nothing does
        origins: web pages that browsers may let call
    """

    path = "/"

    def __init__(
        self,
        methods: Mapping[str, Unary],
        routes: Routes,
        gate: Gate,
        limits: Limits,
        *,
        origins: tuple[str, ...] = (),
        meter: Meter | None = None,
    ) -> None:
        self._meter = meter
        self._routes = routes
        self._methods = methods
        self._at_the_gate = _AtTheGate(routes, gate, meter)
        self._limits = limits
        self._origins = origins
        super().__init__(
            service=None,
            endpoints=lambda _: {f"/{m.containing_service.full_name}/{m.name}": self._endpoint(m) for m in methods_of_files()},
            interceptors=[self._at_the_gate],
            read_max_bytes=limits.batch_bytes,
            codecs=[_Binary(), _Json()],
        )

    def _endpoint(self, method: MethodDescriptor) -> Any:
        name = f"/{method.containing_service.full_name}/{method.name}"
        asks, gives = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        call = self._methods[name]
        most_bytes = self._limits.batch_bytes if method.name == "BatchDecide" else self._limits.unary_bytes

        async def answer(asked: _Asked, context: RequestContext[Any, Any]) -> _Answered:
            tracing = self._routes.tracing
            if tracing is None:
                return await counted(asked, context, lambda _code, _reason: None)
            with tracing.call(name, _visit(name, context).metadata, "connect_rpc") as ended:
                return await counted(asked, context, ended)

        async def counted(asked: _Asked, context: RequestContext[Any, Any], ended: Callable[[str, str], None]) -> _Answered:
            began, code, reason = time.perf_counter(), "CANCELLED", ""
            try:
                made = await answered(asked, context)
                code = "OK"
                return made
            except _RefusedError as e:
                code, reason = code_name(e.status.code), reason_of(e.status)
                raise
            finally:
                spent = time.perf_counter() - began
                if self._meter is not None:
                    self._meter.called(name.rpartition(".")[2], code, spent, reason)
                ended(code, reason)
                tell(name, code, self._at_the_gate.caller(context).name, context.client_address or "", spent)

        async def answered(asked: _Asked, context: RequestContext[Any, Any]) -> _Answered:
            own: Any = _Context(context)
            try:
                async with asyncio.timeout(self._limits.deadline_s):
                    data = asked.data
                    if len(data) > most_bytes:
                        raise RequestTooLargeError("bytes of a request", most_bytes, len(data))
                    if asked.is_json:
                        data = await _unhurried(message_of_json, data, asks)
                    made = await call(data, own, self._at_the_gate.caller(context))
                    return _Answered(await _unhurried(json_of_message, made, gives) if asked.is_json else made)
            except ConnectError:
                raise
            except TimeoutError:
                return await _refuse(TimeLimitError(self._limits.deadline_s))
            except Exception as e:  # noqa: BLE001 - every fault becomes a status with details
                return await _refuse(e)

        info: Any = MethodInfo(
            name=method.name,
            service_name=method.containing_service.full_name,
            input=asks,
            output=_Answered,
            idempotency_level=IdempotencyLevel.UNKNOWN,
            stream_type=StreamType.UNARY,
        )
        return Endpoint.unary(info, answer)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        headers = _headers(scope)
        send = self._with_origin(headers.get("origin", ""), send)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _plain(send, 204, b"", "text/plain")
        elif scope["path"] in ("/", f"/{OPENAPI}") and scope["method"] in ("GET", "HEAD"):
            data = _HEAD.encode() if scope["path"] == "/" else openapi()
            kind = "text/plain; charset=utf-8" if scope["path"] == "/" else "application/json"
            await _plain(send, 200, data if scope["method"] == "GET" else b"", kind)
        elif scope["path"] in _STREAMS:
            words = "streams of requests are answered over gRPC alone; here BatchDecide takes many at once"
            await _plain(send, 501, json.dumps({"code": "unimplemented", "message": words}).encode(), "application/json")
        else:
            _mend_content_type(scope, headers)
            most_bytes = self._limits.batch_bytes if scope["path"].endswith("/BatchDecide") else self._limits.unary_bytes
            with contextlib.ExitStack() as held:
                _HELD.set(held)
                await super().__call__(scope, _bounded(receive, most_bytes, self._limits.deadline_s), _explained(send))
                if (gone := scope.get(GONE)) is not None:
                    await gone()

    def _with_origin(self, origin: str, send: Send) -> Send:
        """Let a web page of a known origin read the answer."""
        if not origin or not ("*" in self._origins or origin in self._origins):
            return send

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
                    (b"access-control-allow-methods", b"POST"),
                    (
                        b"access-control-allow-headers",
                        b"content-type, authorization, connect-protocol-version, connect-timeout-ms, x-policybook-caller",
                    ),
                    (b"access-control-max-age", b"7200"),
                    (b"vary", b"origin"),
                ]
            await send(message)

        return sent


async def _unhurried(work: Callable[[bytes, type[Message]], bytes], data: bytes, kind: type[Message]) -> bytes:
    """Turn JSON into a message or back; what is long, beside the loop, so that others get their turn."""
    return work(data, kind) if len(data) <= SHORT else await asyncio.to_thread(work, data, kind)


def openapi() -> bytes:
    """Return the OpenAPI document, as `make proto` made it."""
    return files("policybook.server").joinpath(OPENAPI).read_bytes()


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}


def _mend_content_type(scope: Scope, headers: Mapping[str, str]) -> None:
    """Take what `curl -d` says of its data, or nothing, for JSON."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if scope["method"] == "POST" and kind in ("", "application/x-www-form-urlencoded", "text/json"):
        kept = [(n, v) for n, v in scope["headers"] if n.lower() != b"content-type"]
        scope["headers"] = [*kept, (b"content-type", b"application/json")]


def _bounded(receive: Receive, most_bytes: int, most_s: float) -> Receive:
    """Give up on a body that does not come, or does not end."""
    end = asyncio.get_running_loop().time() + most_s
    is_whole, size = False, 0

    async def received() -> MutableMapping[str, Any]:
        nonlocal is_whole, size
        # After the body one waits for the caller to hang up, for as long as it takes to answer.
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            raise ConnectError(Code.DEADLINE_EXCEEDED, f"the request did not come whole within {most_s:g} s") from None
        size += len(message.get("body", b""))
        if size > most_bytes:
            await _refuse(RequestTooLargeError("bytes of a request", most_bytes, size))
        is_whole = not message.get("more_body", False)
        return message

    return received


def _explained(send: Send) -> Send:
    """Say in words what is wrong: `debug` beside each detail of an error, which Connect has for people, and a text where it has none."""
    held: list[MutableMapping[str, Any]] = []

    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            held.append(message)
        elif held and message["type"] == "http.response.body" and not message.get("more_body"):
            start = held.pop()
            body, retry_s = message.get("body", b""), 0
            kind: tuple[tuple[bytes, bytes], ...] = ()
            if _is_json(start):
                body, retry_s = _with_debug(body)
            elif not body and start["status"] in _WORDS:
                body, kind = _WORDS[start["status"]].encode(), ((b"content-type", b"text/plain"),)
            start["headers"] = [
                *((n, v) for n, v in start.get("headers", ()) if n.lower() != b"content-length"),
                (b"content-length", str(len(body)).encode()),
                *kind,
                *([(b"retry-after", str(retry_s).encode())] if retry_s else []),
            ]
            await send(start)
            await send({**message, "body": body})
        else:
            await send(message)

    return sent


def _is_json(message: Mapping[str, Any]) -> bool:
    return any(n.lower() == b"content-type" and v.startswith(b"application/json") for n, v in message.get("headers", ()))


def _with_debug(body: bytes) -> tuple[bytes, int]:
    """Return an error with its details in words, and after how many seconds one may ask again; 0: it does not say."""
    retry_s = 0
    try:
        error = json.loads(body)
        for detail in error.get("details", ()):
            kind = _DETAILS.get(detail["type"])
            if kind is None:
                continue
            packed = PackedAny(type_url=f"type.googleapis.com/{detail['type']}", value=_unpadded(detail["value"]))
            message = kind.FromString(packed.value)
            detail["debug"] = json_format.MessageToDict(message)
            if isinstance(message, error_details_pb2.RetryInfo):
                retry_s = max(1, message.retry_delay.seconds)
        return json.dumps(error, ensure_ascii=False).encode(), retry_s
    except (ValueError, KeyError, TypeError):
        return body, 0


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


async def _plain(send: Send, status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
