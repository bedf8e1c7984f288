"""A conversation in HTTP/1.1 through the relay, which understands it and meddles with it as proxies do.

Towards the reader the relay is a server, towards the server a client: it reads each message and says it anew.
When both agree on another protocol, it passes that on as it is.
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus

import h11

from lab.link.relay.body import Body
from lab.link.relay.lane import Lane
from lab.link.relay.toxics import Toxics

LARGEST_HEAD = 256 << 10
"""Bytes of the largest head that is understood."""

Header = tuple[bytes, bytes]
Ends = (h11.NEED_DATA, h11.PAUSED)


class Conversation:
    """One connection's requests and responses."""

    def __init__(self, toxics: Callable[[], Toxics], up: Lane, down: Lane) -> None:
        self.toxics, self.up, self.down = toxics, up, down
        self.near = h11.Connection(h11.SERVER, LARGEST_HEAD)
        self.far = h11.Connection(h11.CLIENT, LARGEST_HEAD)
        self.switched = self.silent = False
        self.refusal = 0  # the status that the request gets which is being read
        self.request = h11.Request(method="GET", target="/", headers=[("Host", "")])
        self.head = b""  # waits for the first of its body
        self.body: Body | None = None

    def from_reader(self, data: bytes) -> None:
        if self.silent:
            return
        if self.switched:
            self.up.feed(data)
            return
        self.near.receive_data(data)
        try:
            self._hear_requests()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint or 400)

    def from_server(self, data: bytes) -> None:
        if self.silent:
            return
        if self.switched:
            self.down.feed(data)
            return
        self.far.receive_data(data)
        self._hear_responses()

    def server_left(self) -> None:
        """The server has hung up: that may be the end of a body, or come too early."""
        if not self.switched:
            self.far.receive_data(b"")
            self._hear_responses()

    # Requests

    def _hear_requests(self) -> None:
        while (event := self.near.next_event()) not in Ends:
            if isinstance(event, h11.Request):
                self._begin_request(event)
            elif isinstance(event, h11.Data | h11.EndOfMessage):
                self._continue_request(event)
            else:
                return  # it has closed

    def _begin_request(self, request: h11.Request) -> None:
        toxics, self.request = self.toxics(), request
        headers = request.headers.raw_items()
        self.refusal = toxics.answer
        if _value(headers, b"upgrade").lower() == b"websocket":
            if toxics.websocket == "403":
                self.refusal = 403
            elif toxics.websocket == "strip":
                headers = [one for one in headers if one[0].lower() not in (b"upgrade", b"connection")]
        if not self.refusal:
            self._say_up(h11.Request(method=request.method, target=request.target, headers=headers))

    def _continue_request(self, event: h11.Data | h11.EndOfMessage) -> None:
        if not self.refusal:
            self._say_up(event)
        elif isinstance(event, h11.EndOfMessage):
            self._refuse(self.refusal)
            self._next()

    def _say_up(self, event: h11.Event) -> None:
        self.up.feed(self.far.send(event) or b"")

    def _refuse(self, status: int) -> None:
        """Answer in the server's place."""
        if not self._can_answer():
            self.down.end()
            return
        text = f"{status} {HTTPStatus(status).phrase}, said by the relay\n".encode()
        headers = [(b"Content-Type", b"text/plain"), (b"Content-Length", b"%d" % len(text))]
        said = (h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode()),)
        body = () if self.request.method == b"HEAD" else (h11.Data(data=text),)
        self.down.feed(b"".join(self.near.send(event) or b"" for event in (*said, *body, h11.EndOfMessage())))
        if self.near.our_state is h11.MUST_CLOSE:
            self.down.end()

    def _can_answer(self) -> bool:
        return self.near.our_state in (h11.IDLE, h11.SEND_RESPONSE)

    # Responses

    def _hear_responses(self) -> None:
        try:
            while (event := self.far.next_event()) not in Ends:
                if isinstance(event, h11.ConnectionClosed):
                    return
                self._hear_response(event)
                if self.switched:
                    self._pass_on_what_came_early()
                    return
        except h11.RemoteProtocolError:
            self._break_off()

    def _hear_response(self, event: object) -> None:
        if isinstance(event, h11.InformationalResponse):
            self._inform(event)
        elif isinstance(event, h11.Response):
            self._begin_response(event)
        elif isinstance(event, h11.Data):
            assert self.body
            self._say_down(self.body.feed(bytes(event.data)))
        elif isinstance(event, h11.EndOfMessage):
            assert self.body
            self._say_down(self.body.finish())
            self.down.feed(self._taken_head() + (self.near.send(event) or b""))
            self._next()

    def _inform(self, event: h11.InformationalResponse) -> None:
        headers = event.headers.raw_items()
        again = h11.InformationalResponse(status_code=event.status_code, headers=headers, reason=event.reason)
        self.down.feed(self.near.send(again) or b"")
        self.switched = event.status_code == 101

    def _pass_on_what_came_early(self) -> None:
        how = self.toxics().websocket
        if how == "close":
            self.silent = True
            self.down.end()
            self.up.end()
        elif how == "blackhole":
            self.silent = True
        else:
            self.down.feed(self.far.trailing_data[0])
            self.up.feed(self.near.trailing_data[0])

    def _begin_response(self, event: h11.Response) -> None:
        toxics, headers = self.toxics(), event.headers.raw_items()
        compressed = bool(toxics.gzip) and self._may_compress(event.status_code, headers)
        if compressed:
            headers = [one for one in headers if one[0].lower() != b"content-length"]
            headers += [(b"Content-Encoding", b"gzip"), (b"Vary", b"Accept-Encoding")]
        self.body = Body(toxics, compressed=compressed)
        again = h11.Response(status_code=event.status_code, headers=headers, reason=event.reason)
        self.head = self.near.send(again) or b""
        if not toxics.buffer:
            self.down.feed(self._taken_head())

    def _may_compress(self, status: int, headers: Iterable[Header]) -> bool:
        accepted = _value(self.request.headers, b"accept-encoding")
        bodiless = self.request.method == b"HEAD" or status in (204, 206, 304)
        return b"gzip" in accepted and not bodiless and not _value(headers, b"content-encoding")

    def _say_down(self, parts: Iterable[bytes]) -> None:
        said = b"".join(self.near.send(h11.Data(data=part)) or b"" for part in parts)
        if said:
            self.down.feed(self._taken_head() + said)

    def _taken_head(self) -> bytes:
        head, self.head = self.head, b""
        return head

    def _break_off(self) -> None:
        """The server did not say all, or nonsense: what came of it goes on, or 502 where nothing has."""
        if self.body:
            self._say_down(self.body.broken_off())
        elif self._can_answer():
            self._refuse(502)
        self.down.end()

    def _next(self) -> None:
        """After a response, whatever comes then."""
        self.body = None
        if self.near.our_state is h11.MUST_CLOSE or self.far.our_state is h11.MUST_CLOSE:
            self.down.end()
            self.up.end()
        elif self.near.our_state is h11.DONE and self.near.their_state is h11.DONE:
            self.near.start_next_cycle()
            if self.far.our_state is h11.DONE and self.far.their_state is h11.DONE:
                self.far.start_next_cycle()
            self._hear_requests()


def _value(headers: Iterable[Header], name: bytes) -> bytes:
    return b", ".join(value for key, value in headers if key.lower() == name)
