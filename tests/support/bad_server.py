# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server that misbehaves, on a free port of 127.0.0.1, which it prints. It serves the files of a directory
as /BEHAVIOUR/NAME; what a behaviour is, stands with its function. Each request becomes a line of a log: method, path,
range, and "token" if an Authorization came, else "-". It ends when its standard input does.

A second port (printed second) stands for another host; it behaves in the same way.
"""

import argparse
import gzip
import itertools
import re
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BEHAVIOURS = {}
ETAG = '"first"'
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"


def behaviour(function):
    BEHAVIOURS[function.__name__.replace("_", "-")] = function
    return function


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = self.path.split("?")[0].split("/")
        with self.server.shared.lock:
            print(self.command, self.path, self.headers.get("Range", "-"),
                  "token" if "Authorization" in self.headers else "-", file=self.server.shared.log, flush=True)
            # How often this path was asked for before.
            self.count = self.server.shared.counts.setdefault(self.path, itertools.count()).__next__()
        file = self.server.shared.directory / parts[-1]
        data = file.read_bytes() if file.is_file() else b""
        BEHAVIOURS[parts[1]](self, data)

    def log_message(self, *_):
        pass

    def other_port(self):
        return next(port for port in self.server.shared.ports if port != self.server.server_port)

    def answer(self, status, body=b"", length=None, **fields):
        """Underscores of a field's name are hyphens; None leaves it out."""
        self.send_response_only(status)
        fields = {"ETag": ETAG, "Content_Length": len(body) if length is None else length} | fields
        for name, value in fields.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        try:
            self.wfile.write(body)
            self.wfile.flush()
        except OSError:
            pass

    def wanted(self, data):
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        return first, min(last, len(data) - 1)

    def part(self, data, **options):
        """What was asked for; `fields` as in answer()."""
        if "Range" not in self.headers:
            self.answer(200, options.pop("body", data), **options)
            return
        first, last = self.wanted(data)
        if first >= len(data):
            self.answer(416, Content_Range=f"bytes */{len(data)}")
            return
        body = options.pop("body", data[first:last + 1])
        self.answer(206, body, **{"Content_Range": f"bytes {first}-{last}/{len(data)}"} | options)

    def redirect(self, location, status=302):
        self.answer(status, b"moved", Location=location, ETag=None)

    def hang_up(self):
        self.close_connection = True


@behaviour
def good(handler, data):
    """Unless the file is what the client has already."""
    if handler.headers.get("If-None-Match") == ETAG or "If-Modified-Since" in handler.headers:
        handler.answer(304)
    else:
        handler.part(data)


@behaviour
def no_ranges(handler, data):
    handler.answer(200, data)


@behaviour
def weak_etag(handler, data):
    handler.part(data, ETag="W/" + ETAG)


@behaviour
def only_date(handler, data):
    if handler.headers.get("If-Modified-Since") == DATE:
        handler.answer(304, ETag=None, Last_Modified=DATE)
    else:
        handler.part(data, ETag=None, Last_Modified=DATE)


@behaviour
def no_validator(handler, data):
    handler.part(data, ETag=None)


@behaviour
def short_body(handler, data):
    """At most 1000 bytes, then the connection ends."""
    first, last = handler.wanted(data)
    handler.part(data, body=data[first:min(last + 1, first + 1000)], length=last + 1 - first)
    handler.hang_up()


@behaviour
def empty_body_twice(handler, data):
    """No byte, though they are announced."""
    if handler.count < 2:
        handler.part(data, body=b"", length=10)
        handler.hang_up()
    else:
        handler.part(data)


@behaviour
def short_document(handler, data):
    """Breaks off the first time."""
    if handler.count == 0:
        handler.answer(200, data[:100], length=len(data))
        handler.hang_up()
    else:
        handler.answer(200, data)


@behaviour
def other_range(handler, data):
    first, last = handler.wanted(data)
    handler.part(data, Content_Range=f"bytes {first + 1}-{last + 1}/{len(data)}")


@behaviour
def other_total(handler, data):
    """One byte more with each request."""
    first, last = handler.wanted(data)
    handler.part(data, Content_Range=f"bytes {first}-{last}/{len(data) + handler.count}")


@behaviour
def no_content_range(handler, data):
    handler.part(data, Content_Range=None)


@behaviour
def unknown_total(handler, data):
    first, last = handler.wanted(data)
    handler.part(data, Content_Range=f"bytes {first}-{last}/*")


@behaviour
def changes(handler, data):
    """Another file from the second request on."""
    handler.part(data, ETag=ETAG if handler.count == 0 else '"second"')


@behaviour
def changes_half_way(handler, data):
    if handler.count == 0:
        short_body(handler, data)
    else:
        handler.part(data, ETag='"second"')


@behaviour
def stalls_once(handler, data):
    """After 1000 bytes, the first time."""
    first, last = handler.wanted(data)
    if handler.count == 0:
        handler.part(data, body=data[first:first + 1000], length=last + 1 - first)
        handler.server.shared.ended.wait()
        handler.hang_up()
    else:
        handler.part(data)


@behaviour
def byte_by_byte(handler, data):
    """The right range, and a body that never ends; each byte for itself."""
    first, last = handler.wanted(data)
    handler.answer(206, length="", Content_Length=None, Content_Range=f"bytes {first}-{last}/{len(data)}",
                   Connection="close")
    try:
        while not handler.server.shared.ended.wait(0.01):
            handler.wfile.write(b"x")
            handler.wfile.flush()
    except OSError:
        pass
    handler.hang_up()


@behaviour
def never_answers(handler, _):
    handler.server.shared.ended.wait()
    handler.hang_up()


@behaviour
def endless(handler, _):
    place, _, number = handler.path.partition("?")
    handler.redirect(f"{place}?{int(number or 0) + 1}")


@behaviour
def twice(handler, _):
    """Relative, to a place that redirects again."""
    handler.redirect("../there/" + handler.path.split("/")[-1], 307)


@behaviour
def there(handler, _):
    handler.redirect("/good/" + handler.path.split("/")[-1], 308)


@behaviour
def to_other_port(handler, _):
    handler.redirect(f"http://127.0.0.1:{handler.other_port()}/good/{handler.path.split('/')[-1]}?secret=1")


@behaviour
def to_other_host(handler, _):
    handler.redirect("http://192.0.2.1/model.gguf?secret=1")


@behaviour
def to_file(handler, _):
    handler.redirect("file:///etc/passwd")


@behaviour
def to_user(handler, _):
    handler.redirect(f"http://user:password@127.0.0.1:{handler.other_port()}/good/file")


@behaviour
def to_nowhere(handler, _):
    handler.answer(302)


@behaviour
def signed(handler, _):
    """To a place that may be asked once."""
    handler.redirect(f"/once/{handler.path.split('/')[-1]}?signature={handler.count}")


@behaviour
def once(handler, data):
    if handler.count == 0:
        handler.part(data)
    else:
        handler.answer(403, b"expired", ETag=None)


@behaviour
def to_closed_port(handler, data):
    """The first time to a server that then goes away, else itself."""
    if handler.count == 0:
        handler.redirect(f"http://127.0.0.1:{handler.other_port()}/vanishes/{handler.path.split('/')[-1]}")
    else:
        handler.part(data)


@behaviour
def vanishes(handler, data):
    """Answers once; from then on its port is closed."""
    handler.part(data)
    handler.hang_up()
    handler.server.shutdown()
    handler.server.server_close()


@behaviour
def busy_once(handler, data):
    if handler.count == 0:
        handler.answer(429, b"slowly", Retry_After="1", ETag=None)
    else:
        handler.part(data)


@behaviour
def busy_for_an_hour(handler, _):
    handler.answer(429, Retry_After="3600", ETag=None)


@behaviour
def busy_until_a_date(handler, _):
    handler.answer(429, Retry_After=formatdate(time.time() + 3600, usegmt=True), ETag=None)


@behaviour
def unavailable(handler, _):
    handler.answer(503, b"x" * 100000, Retry_After="0", ETag=None)


@behaviour
def beyond(handler, data):
    handler.answer(416, Content_Range=f"bytes */{len(data)}", ETag=None)


@behaviour
def compressed(handler, data):
    handler.part(data, body=gzip.compress(data), Content_Encoding="gzip")


@behaviour
def too_much(handler, data):
    first, last = handler.wanted(data)
    handler.part(data, body=data[first:] + data, Content_Range=f"bytes {first}-{last}/{len(data)}")


@behaviour
def too_much_in_chunks(handler, data):
    """Without a length."""
    handler.part(data, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data), Content_Length=None,
                 Transfer_Encoding="chunked")


@behaviour
def multipart(handler, data):
    handler.part(data, Content_Type="multipart/byteranges; boundary=x")


@behaviour
def chunked(handler, data):
    handler.answer(200, b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data), Content_Length=None, Transfer_Encoding="chunked")


@behaviour
def gated(handler, _):
    handler.answer(403 if "Authorization" in handler.headers else 401, b"{}", X_Error_Code="GatedRepo", ETag=None)


@behaviour
def missing(handler, _):
    handler.answer(404, b"{}", X_Error_Code="EntryNotFound", ETag=None)


@behaviour
def no_content(handler, _):
    handler.answer(204, Content_Length=None)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Shared:
    """By both ports."""

    def __init__(self, directory, log):
        self.directory = directory
        self.log = log
        self.lock = threading.Lock()
        self.counts = {}
        self.ended = threading.Event()
        self.ports = []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("log", type=Path)
    arguments = parser.parse_args()
    with arguments.log.open("w", encoding="ascii") as log:
        shared = Shared(arguments.directory, log)
        servers = [Server(("127.0.0.1", 0), Handler) for _ in range(2)]
        shared.ports = [server.server_port for server in servers]
        for server in servers:
            server.shared = shared
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        print(*shared.ports, flush=True)
        sys.stdin.read()
        shared.ended.set()


if __name__ == "__main__":
    main()
