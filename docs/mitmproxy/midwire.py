"""Hands each request that mitmproxy gets on to Midwire: mitmdump -s midwire.py --set midwire=http://127.0.0.1:PORT"""

from base64 import b64encode
from urllib.parse import urlsplit

from mitmproxy import ctx


def load(loader):
    loader.add_option("midwire", str, "", "URL of Midwire's HTTP proxy, with credentials where it has any")
    # Midwire dials upstream; certificates are made from what the client asks for.
    ctx.options.update(connection_strategy="lazy", upstream_cert=False)


def requestheaders(flow):
    midwire, request = urlsplit(ctx.options.midwire), flow.request
    host = request.pretty_host
    request.headers["Midwire-Host"] = f"[{host}]:{request.port}" if ":" in host else f"{host}:{request.port}"
    request.headers["Midwire-Proto"] = request.scheme
    if midwire.username:
        credentials = f"{midwire.username}:{midwire.password}".encode()
        request.headers["Proxy-Authorization"] = f"Basic {b64encode(credentials).decode()}"
    request.scheme, request.host, request.port = "http", midwire.hostname, midwire.port
    request.stream = True


def responseheaders(flow):
    # Events and downloads arrive as they come.
    flow.response.stream = flow.response.status_code != 101
