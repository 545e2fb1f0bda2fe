"""The target that is a real server: another process, on a real socket.

An input is a JSON document, so that a person can read what was sent:

    {"call": "/policybook.v1.DecisionService/Decide", "messages": ["<base64>"], "metadata": [["name", "value"]], "cancel": false}
    {"frames": [[kind, flags, stream, "<base64>", [[name, value]], length]], "preface": "<base64>", "cut": -1, "abrupt": false}

`call` goes through grpcio, so that what arrives is sound HTTP/2 with whatever messages; `frames` is written by hand and need be nothing.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import grpc
from google.rpc import status_pb2

from contract.calls import Calls, Process
from fuzz import http2, stock, words
from fuzz.engine import MIB, Target, rss
from fuzz.http2 import Frame
from fuzz.requests import ANSWERS, DOCUMENTED, METHODS, Messages, outcome_of, refusal
from policybook.server.routes import DECISIONS
from policybook.v1 import decision_service_pb2 as pb

_STREAM = f"/{DECISIONS}/StreamDecide"
_DETAILS = "grpc-status-details-bin"
# After this many inputs every cache of ordinary use is filled; from then on memory may grow by no more than this.
WARM = 2_000
GROWTH = 192 * MIB
# What gRPC itself answers, before any code of this project runs: to what is no call, no such method, or no message.
_TRANSPORT = frozenset(
    {
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


class WireTarget(Target):
    """A running server: whatever is sent, the answer is documented, and the next caller is answered."""

    name = "wire"
    # Of the process that sends; what the server may take is the deadline of a call.
    budget_s = 30.0
    guided = False
    deadline_s = 60.0

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="policybook-fuzz-"))
        books = self._folder / "books"
        books.mkdir()
        for path in (*stock.SERVED, *(stock.ROOT / "rules" / n for n in ("calendar.yaml",))):
            shutil.copy(path, books)
        self.process = Process(books, "--port", "0", "--log", self._folder / "log.db", log=self._folder / "stderr").started()
        self._sound = pb.DecideRequest(decision="shop.order", as_of_date="2026-03-31")
        self._sound.facts["amount"].money.amount = "50"
        self._sound.facts["customer"].text = "new"
        # One that lives as long as the server, beside those that come and go.
        self._calls = Calls(self.process.port)
        self._wanted = self._calls.decide(self._sound)
        assert self._wanted.outputs["outcome"].text == "ship"
        self._messages = Messages((self._wanted.decision_id,))
        self._tried = 0
        self._warm_bytes = 0
        self._logged = 0

    # ------------------------------------------------------------ inputs

    def seeds(self) -> Sequence[bytes]:
        calls = [_call(method, [message]) for method, message in self._messages.seeds()]
        return [*calls, *(_raw(frames) for frames in _sound_frames(self._sound.SerializeToString()))]

    def mutate(self, data: bytes, rnd: Random, others: Sequence[bytes]) -> bytes:
        if rnd.random() < 0.25:
            return _raw(_scenario(rnd, self._messages), rnd)
        try:
            stated = json.loads(data)
        except ValueError:
            return self.seeds()[0]
        if "frames" in stated:
            return _frames_mutated(stated, rnd)
        return self._call_mutated(stated, rnd)

    def _call_mutated(self, stated: dict[str, Any], rnd: Random) -> bytes:
        method = stated["call"]
        messages = [base64.b64decode(m) for m in stated["messages"]]
        for _ in range(rnd.choice((1, 1, 2))):
            at = rnd.randrange(len(messages)) if messages else 0
            if method not in ANSWERS:
                method = rnd.choice(METHODS)
            if not messages or (method == _STREAM and rnd.random() < 0.3):
                messages.insert(at, rnd.choice([m for name, m in self._messages.seeds() if name == method]))
            elif rnd.random() < 0.1:
                messages[at] = bytes(rnd.randrange(256) for _ in range(rnd.choice((0, 1, 5, 100))))
            else:
                messages[at] = self._messages.mutate(method, messages[at], rnd, ())
        if rnd.random() < 0.02:
            method = rnd.choice((method.upper(), method + "/", "/", "/x/y", f"/{DECISIONS}/", "/grpc.health.v1.Health/Check"))
        metadata = [list(m) for m in stated["metadata"]]
        if rnd.random() < 0.15:
            metadata = [_metadata(rnd) for _ in range(rnd.choice((1, 2, 20)))]
        return _call(method, messages if method == _STREAM else messages[:1], metadata, cancel=rnd.random() < 0.03)

    # ------------------------------------------------------------ one input

    def run(self, data: bytes) -> object:
        self._tried += 1
        try:
            stated = json.loads(data)
            outcome = self._frames(stated) if "frames" in stated else self._call(stated)
        except (KeyError, TypeError, json.JSONDecodeError):
            return "no input"
        assert self.process.popen.poll() is None, f"the server ended: {self.process.errors()[-2_000:]}"
        if self._tried % 25 == 0:
            self._answers()
        return outcome

    def _call(self, stated: dict[str, Any]) -> object:
        method = str(stated["call"])
        messages = [base64.b64decode(m) for m in stated["messages"]]
        metadata = [(str(n), base64.b64decode(v) if str(n).endswith("-bin") else str(v)) for n, v in stated["metadata"]]
        try:
            answers = self._made(method, messages, metadata, cancel=bool(stated.get("cancel")))
        except ValueError:
            # grpcio does not send such metadata; frames do.
            return "not sent"
        except grpc.RpcError as e:
            return method, self._refused(e, method, cancelled=bool(stated.get("cancel")))
        assert method not in ANSWERS or method == _STREAM or len(answers) == 1
        if method == _STREAM:
            assert len(answers) == len(messages), "a stream lost an answer"
        return tuple(sorted({str(outcome_of(method, a)) for a in answers})) if method in ANSWERS else "other"

    def _made(self, method: str, messages: list[bytes], metadata: list[tuple[str, Any]], *, cancel: bool) -> list[bytes]:
        raw = self._calls.channel
        if method == _STREAM:
            stream = raw.stream_stream(method, request_serializer=None, response_deserializer=None)
            call = stream(iter(messages), timeout=self.deadline_s, metadata=metadata)
            if cancel:
                call.cancel()
            return list(call)
        unary = raw.unary_unary(method, request_serializer=None, response_deserializer=None)
        call = unary.future(messages[0] if messages else b"", timeout=self.deadline_s, metadata=metadata)
        if cancel:
            call.cancel()
        try:
            return [call.result()]
        except grpc.FutureCancelledError:
            raise _CancelledError from None

    @staticmethod
    def _refused(error: grpc.RpcError, method: str, *, cancelled: bool) -> object:
        if isinstance(error, _CancelledError):
            return "cancelled"
        assert isinstance(error, grpc.Call)
        code = error.code()
        if error.details() == "Invalid metadata":
            # grpcio does not send it; `frames` does.
            return "not sent"
        if cancelled and code is grpc.StatusCode.CANCELLED:
            return "cancelled"
        packed = dict(error.trailing_metadata() or ()).get(_DETAILS)
        if packed is None:
            # A method that is not there, or a message beyond what gRPC takes in.
            assert code is not grpc.StatusCode.DEADLINE_EXCEEDED, "no answer in time"
            if method in ANSWERS:
                assert code is grpc.StatusCode.RESOURCE_EXHAUSTED, f"{code.name} without details"
            assert code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), f"{code.name} without details"
            return code.name
        return refusal(status_pb2.Status.FromString(packed))

    def _frames(self, stated: dict[str, Any]) -> object:
        frames = [
            Frame(int(k), int(f), int(s), base64.b64decode(p), tuple((str(n), str(v)) for n, v in h), n_)
            for k, f, s, p, h, n_ in stated["frames"]
        ]
        pieces = [base64.b64decode(stated["preface"]), *http2.encoded(frames)]
        if stated["cut"] >= 0:
            pieces = [b"".join(pieces)[: stated["cut"]]]
        opened = {f.stream for f in frames if f.kind in (http2.HEADERS, http2.DATA) and f.flags & http2.END_STREAM and f.stream % 2}
        answer = http2.exchange(self.process.port, pieces, opened=opened, abrupt=bool(stated["abrupt"]))
        told: set[object] = set()
        for headers in answer.headers.values():
            number = headers.get("grpc-status")
            if number is None:
                told.add(headers.get(":status", b"").decode("latin-1"))
                continue
            code = _BY_NUMBER[int(number)]
            assert code is not grpc.StatusCode.UNKNOWN, f"UNKNOWN: {headers.get('grpc-message')!r}"
            packed = headers.get(_DETAILS)
            if packed is not None:
                padded = packed + b"=" * (-len(packed) % 4)
                told.add(refusal(status_pb2.Status.FromString(base64.b64decode(padded))))
                continue
            assert code is grpc.StatusCode.OK or code in _TRANSPORT, f"{code.name} without details"
            told.add(code.name)
        return tuple(sorted(map(str, told))), answer.is_closed

    # ------------------------------------------------------------ the server goes on

    def _answers(self) -> None:
        for calls in (self._calls, Calls(self.process.port)):
            answer = calls.decide(self._sound)
            answer.trace.ClearField("elapsed")
            self._wanted.trace.ClearField("elapsed")
            for own in ("decision_id", "decide_time"):
                answer.ClearField(own)
                self._wanted.ClearField(own)
            assert answer == self._wanted, f"a sound request is answered otherwise than before: {answer}"
            if calls is not self._calls:
                calls.close()

    def check(self) -> None:
        assert self.process.popen.poll() is None, f"the server ended: {self.process.errors()[-2_000:]}"
        self._answers()
        log = self.process.errors()
        new, self._logged = log[self._logged :], len(log)
        for sign in ("Traceback", "incident", "never retrieved", "was destroyed"):
            assert sign not in new, f"the server's log: {new[max(0, new.index(sign) - 500) :][:3_000]}"
        held = rss(self.process.popen.pid)
        if self._tried >= WARM and not self._warm_bytes:
            self._warm_bytes = held
        if self._warm_bytes:
            assert held < self._warm_bytes + GROWTH, f"memory grew from {self._warm_bytes // MIB} to {held // MIB} MiB"

    def memory(self) -> str:
        """Say what the server holds."""
        now = rss(self.process.popen.pid) // MIB
        return f"the server holds {now} MiB" + (f", {self._warm_bytes // MIB} MiB after {WARM:,} inputs" if self._warm_bytes else "")

    def close(self) -> None:
        self._calls.close()
        assert self.process.end() == 0, "the server did not end as told"
        shutil.rmtree(self._folder, ignore_errors=True)


class _CancelledError(grpc.RpcError):
    pass


def _call(method: str, messages: Sequence[bytes], metadata: Sequence[Sequence[str]] = (), *, cancel: bool = False) -> bytes:
    stated = {
        "call": method,
        "messages": [base64.b64encode(m).decode() for m in messages],
        "metadata": [list(m) for m in metadata],
        "cancel": cancel,
    }
    return json.dumps(stated).encode()


def _metadata(rnd: Random) -> list[str]:
    name = rnd.choice(
        ("x-policybook-caller", "x-a", "grpc-timeout", "grpc-encoding", "user-agent", "x-data-bin", "grpc-trace-bin", "a" * 300)
    )
    if name.endswith("-bin"):
        return [name, base64.b64encode(words.word(rnd).encode()[:2_000]).decode()]
    return [name, rnd.choice((words.word(rnd)[:2_000], "1n", "gzip", "x" * 7_000, "\x7f", "é"))]


def _raw(frames: Sequence[Frame], rnd: Random | None = None) -> bytes:
    preface, cut, abrupt = http2.PREFACE, -1, False
    if rnd is not None:
        chosen = rnd.random()
        if chosen < 0.08:
            preface = rnd.choice(
                (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0", preface[:10], preface * 2, words.bytes_mutated(preface, rnd))
            )
        elif chosen < 0.2:
            cut = rnd.randint(0, 400)
        abrupt = rnd.random() < 0.2
    stated = {
        "frames": [
            [f.kind, f.flags, f.stream, base64.b64encode(f.payload).decode(), [list(h) for h in f.headers], f.length] for f in frames
        ],
        "preface": base64.b64encode(preface).decode(),
        "cut": cut,
        "abrupt": abrupt,
    }
    return json.dumps(stated).encode()


_SETTINGS = Frame(http2.SETTINGS)


def _request(stream: int, path: str, body: bytes, more: Sequence[tuple[str, str]] = ()) -> list[Frame]:
    head = Frame(http2.HEADERS, http2.END_HEADERS, stream, headers=http2.request_headers(path, more))
    return [head, Frame(http2.DATA, http2.END_STREAM, stream, body)]


def _sound_frames(message: bytes) -> Iterator[list[Frame]]:
    path, body = f"/{DECISIONS}/Decide", http2.prefixed(message)
    yield [_SETTINGS, *_request(1, path, body)]
    yield [_SETTINGS, *_request(1, path, body), *_request(3, path, body), Frame(http2.PING, payload=b"12345678")]
    half = [Frame(http2.DATA, 0, 1, body[:7]), Frame(http2.DATA, http2.END_STREAM, 1, body[7:])]
    yield [_SETTINGS, _request(1, path, b"")[0], *half]


def _scenario(rnd: Random, messages: Messages) -> list[Frame]:
    """Return frames that break one rule, or many."""
    method, message = rnd.choice(messages.seeds())
    if rnd.random() < 0.5:
        message = messages.mutate(method, message, rnd, ())
    body = http2.prefixed(message)
    big = rnd.choice((100, 9_000, 20_000, 70_000))
    match rnd.randrange(17):
        case 0:  # the compressed flag, with and without a way of compression
            more = rnd.choice(((), (("grpc-encoding", "gzip"),), (("grpc-encoding", "identity"),), (("grpc-encoding", "nonsense"),)))
            return [_SETTINGS, *_request(1, method, http2.prefixed(message, flag=rnd.choice((1, 2, 255))), more)]
        case 1:  # a wrong length before the message
            length = rnd.choice((0, 1, len(message) - 1, len(message) + 1, 2**31, 2**32 - 1, 48 * 1024 * 1024, 49 * 1024 * 1024))
            return [_SETTINGS, *_request(1, method, http2.prefixed(message, length=length))]
        case 2:  # half a message, then the end
            return [_SETTINGS, *_request(1, method, body[: rnd.randint(0, len(body))])]
        case 3:  # two messages where one belongs
            return [_SETTINGS, *_request(1, method, body * rnd.choice((2, 3, 50)))]
        case 4:  # oversized headers, or very many
            more = rnd.choice(((("x-big", "x" * big),), tuple((f"x-{i}", "y" * 20) for i in range(big // 30))))
            return [_SETTINGS, *_request(1, method, body, more)]
        case 5:  # rapid resets
            frames = [_SETTINGS]
            for i in range(rnd.choice((10, 100, 400))):
                head = _request(2 * i + 1, method, body)
                frames += [*head[: rnd.choice((1, 2))], Frame(http2.RST_STREAM, 0, 2 * i + 1, b"\0\0\0\x08")]
            return frames
        case 6:  # settings of every sort
            settings = b"".join(
                rnd.choice((1, 2, 3, 4, 5, 6, 255)).to_bytes(2, "big")
                + rnd.choice((0, 1, 16_383, 2**24, 2**31, 2**32 - 1)).to_bytes(4, "big")
                for _ in range(rnd.choice((1, 3, 200)))
            )
            return [Frame(http2.SETTINGS, payload=settings), *_request(1, method, body)]
        case 7:  # pings, acknowledged or not, by the hundred
            return [_SETTINGS, *[Frame(http2.PING, rnd.choice((0, 1)), 0, b"12345678")] * rnd.choice((3, 300)), *_request(1, method, body)]
        case 8:  # windows
            update = rnd.choice((0, 1, 2**31 - 1)).to_bytes(4, "big")
            return [_SETTINGS, Frame(http2.WINDOW_UPDATE, 0, rnd.choice((0, 1)), update), *_request(1, method, body)] * rnd.choice((1, 2))
        case 9:  # headers in many pieces that never end
            head = Frame(http2.HEADERS, 0, 1, headers=http2.request_headers(method))
            return [_SETTINGS, head, *[Frame(http2.CONTINUATION, 0, 1, b"\0\x01a\x01b" * 200)] * rnd.choice((1, 50))]
        case 10:  # no HPACK
            return [_SETTINGS, Frame(http2.HEADERS, 5, 1, bytes(rnd.randrange(256) for _ in range(rnd.choice((1, 20, 300)))))]
        case 11:  # wrong streams: even, zero, backwards, far
            stream = rnd.choice((0, 2, 2**31 - 1, 2**32 - 1))
            return [_SETTINGS, *_request(5, method, body), *_request(rnd.choice((1, stream)), method, body)]
        case 12:  # other headers
            other = list(http2.request_headers(method))
            other[rnd.randrange(len(other))] = rnd.choice(
                ((":method", "GET"), (":path", ""), (":path", "x" * 5_000), ("content-type", "text/html"), (":status", "200"), ("TE", "x"))
            )
            if rnd.random() < 0.3:
                rnd.shuffle(other)
            return [_SETTINGS, Frame(http2.HEADERS, 4, 1, headers=tuple(other)), Frame(http2.DATA, 1, 1, body)]
        case 13:  # deadlines, callers and other metadata
            more = [("grpc-timeout", rnd.choice(("0n", "1n", "1u", "99999999H", "-1S", "x", "1", "")))] * rnd.randint(0, 1)
            more += [("x-policybook-caller", rnd.choice(("", "x" * 3_000, "\x01", "é", "a\nb")))] * rnd.choice((1, 2))
            more += [("x-data-bin", rnd.choice(("!!!", "", "AA", "=" * 50)))]
            return [_SETTINGS, *_request(1, method, body, more)]
        case 14:  # empty frames, padding longer than the frame
            odd = [Frame(http2.DATA, 0, 1)] * 50 + [Frame(http2.DATA, http2.PADDED, 1, b"\xff" + body[:20])]
            head, data = _request(1, method, body)
            return [_SETTINGS, head, *odd[rnd.choice((0, 40)) :], data]
        case 15:  # frames that clients do not send, and unknown ones
            kinds = [
                Frame(rnd.choice((2, 5, 7, 10, 99, 255)), rnd.randrange(256), rnd.choice((0, 1, 3)), b"\0" * rnd.choice((0, 4, 5, 8, 99)))
            ]
            return [_SETTINGS, *kinds * rnd.choice((1, 3)), *_request(1, method, body)]
        case _:  # a stream of calls, half of them never ended
            return [_SETTINGS, *(f for i in range(30) for f in _request(2 * i + 1, method, body)[: 1 + i % 2])]


def _frames_mutated(stated: dict[str, Any], rnd: Random) -> bytes:
    frames: list[list[Any]] = stated["frames"]
    for _ in range(rnd.choice((1, 1, 2, 4))):
        if not frames:
            break
        at = rnd.randrange(len(frames))
        f = frames[at] = list(frames[at])
        match rnd.randrange(9):
            case 0:
                f[0] = rnd.choice((*range(10), 99))
            case 1:
                f[1] ^= 1 << rnd.randrange(8)
            case 2:
                f[2] = rnd.choice((0, 1, 2, 3, 5, 2**31 - 1))
            case 3:
                f[3] = base64.b64encode(words.bytes_mutated(base64.b64decode(f[3]), rnd)).decode()
            case 4:
                f[5] = rnd.choice((0, 1, 16_384, 16_385, 2**24 - 1, None))
            case 5:
                frames.insert(at, f)
            case 6:
                del frames[at]
            case 7 if f[4]:
                f[4] = list(f[4])
                f[4][rnd.randrange(len(f[4]))] = [words.word(rnd)[:300], words.word(rnd)[:300]] if rnd.random() < 0.5 else _metadata(rnd)
            case _:
                stated["cut"] = rnd.randint(0, 500) if rnd.random() < 0.5 else -1
                stated["abrupt"] = not stated["abrupt"]
    return json.dumps(stated).encode()


__all__ = ["DOCUMENTED", "GROWTH", "WARM", "WireTarget"]
