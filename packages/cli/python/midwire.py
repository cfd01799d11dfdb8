"""Drives Midwire from Python: starts `midwire serve --control`, and speaks JSON-RPC 2.0 with it. To be copied into a suite."""

import asyncio
import itertools
import json
import os
import subprocess

import websockets


class ControlError(Exception):
    """What the server answered in place of a result."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.data = error.get("data", {})


class ControlServer:
    """A control server that runs as long as the block."""

    def __init__(self, *args, command=None):
        self._command = command or os.environ.get("MIDWIRE", "npx midwire").split(" ")
        self._args = args

    def __enter__(self):
        command = [*self._command, "serve", "--control", "--until-eof", *self._args]
        # Its standard input ends with this process, and so does it.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self._process.stdout.readline()
        if not line:
            self.__exit__()
            raise RuntimeError(f"{' '.join(command)} did not start")
        told = json.loads(line)
        self.url, self.token = told["url"], told["token"]
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()


class Suite:
    """A control connection, and the session on it."""

    def __init__(self, server):
        self._server = server
        self._ids = itertools.count(1)
        self._replies = {}
        self._waiting = []
        self.notifications = []
        #: Called with the parameters of each `transformInterceptedMessage`; returns its result, or None to let the message pass.
        self.transform = lambda message: None

    async def __aenter__(self):
        headers = {"Authorization": f"Bearer {self._server.token}"}
        self._socket = await websockets.connect(self._server.url, extra_headers=headers, max_size=None)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        await self._socket.close()
        await self._reader

    async def call(self, method, **params):
        """The result of a method. A parameter that is a word of Python has an underscore behind it: `for_`."""
        request_id = next(self._ids)
        reply = self._replies[request_id] = asyncio.get_running_loop().create_future()
        named = {name.rstrip("_"): value for name, value in params.items()}
        await self._socket.send(json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": named}))
        return await reply

    async def notified(self, method, nth=1):
        """The parameters of the nth notification of that name."""
        while True:
            found = [params for name, params in self.notifications if name == method]
            if len(found) >= nth:
                return found[nth - 1]
            arrived = asyncio.get_running_loop().create_future()
            self._waiting.append(arrived)
            await arrived

    async def _read(self):
        async for text in self._socket:
            message = json.loads(text)
            if "method" not in message:
                self._settle(message)
            elif "id" in message:
                await self._answer(message)
            else:
                self.notifications.append((message["method"], message["params"]))
                waiting, self._waiting = self._waiting, []
                for arrived in waiting:
                    arrived.set_result(None)

    def _settle(self, message):
        reply = self._replies.pop(message["id"], None)
        if reply is None or reply.done():
            return
        if "error" in message:
            reply.set_exception(ControlError(message["error"]))
        else:
            reply.set_result(message["result"])

    async def _answer(self, message):
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            answer["result"] = self.transform(message["params"]) or {"action": "pass"}
        except Exception as error:  # The message passes, and the session says so when it is stopped.
            answer["error"] = {"code": -32000, "message": repr(error)}
        await self._socket.send(json.dumps(answer))
