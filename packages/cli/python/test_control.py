"""An intercepted client of Python's websockets, driven through a control server. Run: python3 -m unittest"""

import asyncio
import contextlib
import unittest

import websockets

from midwire import ControlError, ControlServer, Suite


async def echo(socket):
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in socket:
            if message == "close me":
                await socket.close(4001, "as asked")
                return
            await socket.send(message)


class ControlTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(ControlServer())

    async def asyncSetUp(self):
        self.echo = await self.enterAsyncContext(websockets.serve(echo, "127.0.0.1", 0))
        self.suite = await self.enterAsyncContext(Suite(self.server))

    async def open(self, **options):
        """Begins a session, and returns a client in it. websockets 10.4 knows no proxies, so it gets another URL."""
        await self.suite.call("startInterception", mode="proxy", **options)
        port = self.echo.sockets[0].getsockname()[1]
        url = (await self.suite.call("urlFor", url=f"ws://127.0.0.1:{port}/chat"))["url"]
        client = await self.enterAsyncContext(websockets.connect(url))
        self.connection_id = (await self.suite.notified("connectionOpened"))["connectionID"]
        return client

    async def test_the_third_message_is_lost(self):
        client = await self.open(transform=False)
        rule = await self.suite.call("addRule", start="onClientMessage", modifiers={"nth": 3}, verb="drop")
        for text in ("one", "two", "three", "four"):
            await client.send(text)
        self.assertEqual([await client.recv() for _ in range(3)], ["one", "two", "four"])
        self.assertEqual(await self.suite.call("ruleState", **rule), {"hits": 1, "held": 0})
        self.assertEqual(await self.suite.call("stopInterception"), {"failures": []})

    async def test_the_suite_decides_each_message(self):
        def transform(message):
            if message["fromClient"] and message["data"] == "drop me":
                return {"action": "drop"}
            if not message["fromClient"] and message["type"] == "text":
                return {"action": "replace", "type": "binary", "data": "AAH/"}

        self.suite.transform = transform
        client = await self.open()
        for message in ("drop me", "replace me", b"leave me"):
            await client.send(message)
        self.assertEqual([await client.recv(), await client.recv()], [b"\x00\x01\xff", b"leave me"])

    async def test_a_question_that_fails_lets_the_message_pass(self):
        def transform(message):
            raise ValueError("no idea")

        self.suite.transform = transform
        client = await self.open()
        await client.send("all the same")
        self.assertEqual(await client.recv(), "all the same")
        failures = (await self.suite.call("stopInterception"))["failures"]
        self.assertEqual(len(failures), 2)
        self.assertIn("no idea", failures[0])

    async def test_a_close_is_held_until_it_is_released(self):
        client = await self.open(transform=False)
        rule = await self.suite.call("holdClose", from_="server")
        await client.send("close me")
        held = await self.suite.notified("held")
        self.assertEqual(held["close"]["code"], 4001)
        self.assertTrue(client.open)
        await self.suite.call("release", **rule)
        await client.wait_closed()
        self.assertEqual((client.close_code, client.close_reason), (4001, "as asked"))
        closed = await self.suite.notified("connectionClosed")
        self.assertEqual(closed, {"connectionID": self.connection_id, "from": "server", "code": 4001, "reason": "as asked"})

    async def test_messages_come_from_nowhere(self):
        client = await self.open(transform=False)
        inject = {"connectionID": self.connection_id, "type": "text"}
        await self.suite.call("injectMessage", fromClient=False, data="from no server", **inject)
        self.assertEqual(await client.recv(), "from no server")
        await self.suite.call("injectMessage", fromClient=True, data="from no client", **inject)
        self.assertEqual(await client.recv(), "from no client")

    async def test_waits_are_met_by_what_was_and_by_what_comes(self):
        client = await self.open(transform=False)
        await client.send('{"action":"ATTACH","channel":"a"}')
        first = await self.suite.call("waitFor", what="clientMessage", match={"action": "ATTACH"})
        self.assertEqual(first["message"]["value"], {"action": "ATTACH", "channel": "a"})
        later = asyncio.create_task(self.suite.call("waitFor", what="serverMessage", match={"$regex": "^later"}))
        await client.send("later on")
        self.assertEqual((await later)["message"]["data"], "later on")
        with self.assertRaises(ControlError) as raised:
            await self.suite.call("waitFor", what="clientMessage", match={"action": "DETACH"}, timeout=1)
        self.assertEqual(raised.exception.data, {"code": "MIDWIRE_UNMET"})
        self.assertIn('no client message matched { action: "DETACH" }', str(raised.exception))

    async def test_connections_are_cut(self):
        client = await self.open(transform=False)
        await self.suite.call("terminate", connectionID=self.connection_id)
        await client.wait_closed()
        self.assertEqual(client.close_code, 1006)

    async def test_other_suites_see_nothing_of_it(self):
        client = await self.open(transform=False)
        async with Suite(self.server) as other:
            await other.call("startInterception", mode="proxy")
            await client.send("mine")
            self.assertEqual(await client.recv(), "mine")
            self.assertEqual((await other.call("journal"))["events"], [])


if __name__ == "__main__":
    unittest.main()
