"""An HTTP/3 client on aioquic, which shares no code with the gateway's. Prints what it sees as one JSON object.

usage: aioquic_client.py PORT CA.pem
"""

import asyncio
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamReset

PATIENCE = 20


class Exchange:
    def __init__(self):
        self.header, self.trailer, self.body, self.code = None, None, b"", None
        self.interim, self.ended = None, False


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.exchanges = {}

    def quic_event_received(self, event):
        if isinstance(event, StreamReset) and event.stream_id in self.exchanges:
            x = self.exchanges[event.stream_id]
            x.code, x.ended = event.error_code, True
        for e in self.http.handle_event(event):
            x = self.exchanges.get(e.stream_id)
            if x is None:
                continue
            if isinstance(e, HeadersReceived):
                fields = {k.decode(): v.decode() for k, v in e.headers}
                if fields.get(":status", "").startswith("1"):
                    x.interim = fields[":status"]
                elif x.header is None:
                    x.header = fields
                else:
                    x.trailer = fields
            elif isinstance(e, DataReceived):
                x.body += e.data
            x.ended = x.ended or e.stream_ended

    def ask(self, method, path, fields=(), body=None, end=True, trailer=None):
        stream = self._quic.get_next_available_stream_id()
        x = self.exchanges[stream] = Exchange()
        x.stream = stream
        head = [(b":method", method.encode()), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path.encode())]
        head += [(k.encode(), v.encode()) for k, v in fields]
        self.http.send_headers(stream, head, end_stream=end and body is None and trailer is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=end and trailer is None)
        if trailer is not None:
            self.http.send_headers(stream, [(k.encode(), v.encode()) for k, v in trailer], end_stream=True)
        self.transmit()
        return x

    async def until(self, what):
        async def poll():
            while not what():
                await asyncio.sleep(0.002)

        await asyncio.wait_for(poll(), PATIENCE)

    async def whole(self, x):
        await self.until(lambda: x.ended)
        return {"status": x.header and x.header.get(":status"), "body": x.body.decode()[:64], "length": len(x.body), "trailer": x.trailer,
                "alt-svc": x.header and x.header.get("alt-svc"), "code": x.code}


async def converse(client, seen):
    seen["get"] = await client.whole(client.ask("GET", "/get?x=%20"))
    seen["head"] = await client.whole(client.ask("HEAD", "/head"))
    seen["post"] = await client.whole(client.ask("POST", "/echo", body=b"0123456789" * 100_000))
    seen["trailer"] = await client.whole(client.ask("POST", "/trailer", [("trailer", "x-sum")], b"body", trailer=[("x-sum", "42")]))
    many = [client.ask("GET", f"/{i}") for i in range(50)]
    seen["many"] = sum([(await client.whole(x))["body"] == f"GET /{i}" for i, x in enumerate(many)])

    x = client.ask("POST", "/asked", [("expect", "100-continue")], end=False)
    await client.until(lambda: x.interim)
    seen["interim"] = x.interim
    client.http.send_data(x.stream, b"asked for", end_stream=True)
    client.transmit()
    seen["continue"] = await client.whole(x)

    client._quic.request_key_update()
    seen["after key update"] = await client.whole(client.ask("GET", "/keys"))

    await client.until(lambda: client.http.received_settings is not None)
    seen["extended connect"] = client.http.received_settings.get(Setting.ENABLE_CONNECT_PROTOCOL)
    x = Exchange()
    x.stream = client._quic.get_next_available_stream_id()
    client.exchanges[x.stream] = x
    client.http.send_headers(x.stream, [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"https"),
                                        (b":authority", b"localhost"), (b":path", b"/chat"), (b"sec-websocket-version", b"13")])
    client.transmit()
    await client.until(lambda: x.header)
    for piece in (b"over ", b"the ", b"tunnel"):
        client.http.send_data(x.stream, piece, end_stream=piece == b"tunnel")
        client.transmit()
    seen["tunnel"] = await client.whole(x)

    seen["abort"] = (await client.whole(client.ask("GET", "/abort")))["code"]


async def main(port, ca):
    seen, tickets, tokens = {}, [], []

    def configuration(ticket=None, token=b""):
        c = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost", session_ticket=ticket, token=token)
        c.verify_mode = ssl.CERT_REQUIRED
        c.load_verify_locations(ca)
        return c

    async with connect("127.0.0.1", port, configuration=configuration(), create_protocol=Client,
                       session_ticket_handler=tickets.append, token_handler=tokens.append) as client:
        await converse(client, seen)
        await client.until(lambda: tickets and tokens)

    async with connect("127.0.0.1", port, configuration=configuration(tickets[0], tokens[0]), create_protocol=Client,
                       wait_connected=False) as client:
        early = client.ask("GET", "/early")
        seen["early"] = await client.whole(early)
        seen["early accepted"] = client._quic.tls.early_data_accepted
    print(json.dumps(seen))


asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
