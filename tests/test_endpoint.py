"""A real HTTP server that speaks /v1/embeddings, in health and in sickness."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from interlingua import load_encoder
from interlingua.encoders.endpoint import EndpointEncoder, _seconds
from interlingua.encoders.pipeline import encode_block
from interlingua.errors import EngineDown, InputError, MissingExtra

DIM = 8


def vector(text):
    return np.random.default_rng(abs(hash(text)) % 2**32).normal(size=DIM).tolist()


class Server:
    """Answers as OpenAI's API does; `ill` holds what it does instead, an answer each."""

    def __init__(self):
        self.ill, self.requests, self.most_at_once = [], [], 0
        server, lock, under_way = self, threading.Lock(), []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    server.requests.append((self.path, body, dict(self.headers)))
                    under_way.append(1)
                    server.most_at_once = max(server.most_at_once, len(under_way))
                    ill = server.ill.pop(0) if server.ill else None
                data = [{"index": i, "embedding": vector(text)} for i, text in enumerate(body["input"])]
                status, headers, answer = (
                    200,
                    {},
                    {"object": "list", "data": data[::-1], "model": body["model"]},
                )
                if ill:
                    status, headers, answer = ill(body, answer)
                elif any("refuse" in text for text in body["input"]):
                    status, answer = 413, {"error": "too long"}
                elif any("crash" in text for text in body["input"]):
                    status, answer = int(body["input"][0][-3:]), {"error": "CUDA error"}
                raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
                with lock:
                    under_way.pop()

            def log_message(self, *arguments):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def status(code, body=b"{}", **headers):
    return lambda asked, answer: (code, {k.replace("_", "-"): v for k, v in headers.items()}, body)


def unit(texts):
    rows = np.array([vector(text) for text in texts], np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_vectors_come_in_order_in_batches_several_at_a_time(server):
    encoder = EndpointEncoder(server.url, "some-model", batch_size=10, concurrency=3)
    texts = [f"text {i}" for i in range(95)]
    np.testing.assert_allclose(encoder.encode(texts), unit(texts), atol=1e-6)
    sizes = [len(body["input"]) for _, body, _ in server.requests[1:]]
    assert sorted(sizes) == [5] + [10] * 9
    assert {path for path, _, _ in server.requests} == {"/v1/embeddings"}
    assert server.most_at_once <= 3


def test_an_address_with_a_model_opens_it_with_the_prompts_of_the_catalogue(server):
    encoder = load_encoder(f"{server.url}#multilingual-e5-small", truncate_dim=4)
    assert (encoder.name, encoder.dim) == ("multilingual-e5-small", 4)
    encoder.encode_documents(["a cat"])
    assert server.requests[-1][1] == {
        "model": "multilingual-e5-small",
        "input": ["passage: a cat"],
        "encoding_format": "float",
    }
    with pytest.raises(InputError, match="does not say which model; give address#model"):
        load_encoder(server.url)
    with pytest.raises(InputError, match="'endpoint' does not take threads"):
        load_encoder(f"{server.url}#m", threads=1)


def test_the_key_comes_from_the_environment_and_a_wrong_one_is_told(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    EndpointEncoder(server.url, "m", key_variable="MY_KEY")
    assert server.requests[-1][2]["Authorization"] == "Bearer secret"
    server.ill = [status(401)]
    with pytest.raises(EngineDown, match=r"refuses the key \(status 401\).* variable MY_KEY"):
        EndpointEncoder(server.url, "m", key_variable="MY_KEY")
    monkeypatch.delenv("MY_KEY")
    EndpointEncoder(server.url, "m", key_variable="MY_KEY")
    assert "Authorization" not in server.requests[-1][2]


@pytest.fixture
def quick(monkeypatch):
    """No waits between tries."""
    monkeypatch.setattr("interlingua.encoders.endpoint.LONGEST_WAIT", 0.01)


def test_what_passes_is_tried_again(server, quick):
    encoder = EndpointEncoder(server.url, "m")
    server.ill = [status(503), status(429, Retry_After="1"), status(500)]
    np.testing.assert_allclose(encoder.encode(["a"]), unit(["a"]), atol=1e-6)
    assert len(server.requests) == 5


def test_a_server_that_stays_ill_is_down(server, quick):
    encoder = EndpointEncoder(server.url, "m", attempts=3)
    server.ill = [status(503)] * 3
    with pytest.raises(EngineDown, match=r"did not answer 3 times \(status 503: \{\}\); start the server"):
        encoder.encode(["a"])
    assert len(server.requests) == 4


def test_no_server_or_a_slow_one_is_down(server, quick):
    with pytest.raises(EngineDown, match=r"did not answer 2 times .*ConnectError"):
        EndpointEncoder("http://127.0.0.1:9/v1", "m", attempts=2)
    slow = threading.Event()
    server.ill = [lambda asked, answer: (slow.wait(2), (200, {}, answer))[1]] * 2
    with pytest.raises(EngineDown, match=r"did not answer 2 times .*ReadTimeout"):
        EndpointEncoder(server.url, "m", attempts=2, timeout=0.1)
    slow.set()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (status(404, b"not here"), "answers with status 404: 'not here'; check the address"),
        (status(200, b"<html>"), "answers with no JSON: '<html>'"),
        (status(200, json.dumps({"data": [{"embedding": [0] * 8}] * 2}).encode()), "gave a row of zeros"),
        (status(200, b"[1]"), "answers, but not as /v1/embeddings does"),
        (status(200, b'{"data": []}'), r"vectors of shape \(0,\) for 2 texts"),
        (
            status(200, b'{"data": [{"embedding": [1]}, {"embedding": [2]}]}'),
            "gave 1 columns where it gave 8",
        ),
        (status(200, b'{"data": [{"embedding": [1]}, {"embedding": [2, 3]}]}'), "not as /v1/embeddings does"),
    ],
)
def test_a_server_that_answers_wrongly_is_told_in_one_sentence(answer, message, server):
    encoder = EndpointEncoder(server.url, "m")
    server.ill = [answer]
    with pytest.raises(EngineDown, match=message):
        encoder.encode(["a", "b"])


def test_a_text_that_the_server_refuses_harms_no_other(server):
    block = encode_block(EndpointEncoder(server.url, "m"), ["a", "refuse me", "c"], on_error="skip")
    assert list(block.failures) == [1]
    assert "refuses these texts (status 413)" in block.failures[1]
    np.testing.assert_allclose(block.vectors[[0, 2]], unit(["a", "c"]), atol=1e-6)


@pytest.mark.parametrize("code", [424, 500])
def test_a_text_that_the_server_fails_on_harms_no_other(code, server, quick):
    encoder = EndpointEncoder(server.url, "m", attempts=2, batch_size=1)
    block = encode_block(encoder, ["a", f"crash {code}", "c"], on_error="skip")
    assert list(block.failures) == [1]
    assert "CUDA error" in block.failures[1]
    np.testing.assert_allclose(block.vectors[[0, 2]], unit(["a", "c"]), atol=1e-6)


def test_a_limit_on_requests_is_waited_out(server, quick, monkeypatch):
    encoder = EndpointEncoder(server.url, "m", attempts=2)
    server.ill = [status(429)] * 8
    np.testing.assert_allclose(encoder.encode(["a"]), unit(["a"]), atol=1e-6)
    monkeypatch.setattr("interlingua.encoders.endpoint.LONGEST_LIMIT", 0.0)
    server.ill = [status(429)] * 8
    with pytest.raises(EngineDown, match=r"takes no more requests for now \(status 429\); run again later"):
        encoder.encode(["a"])


def test_retry_after_may_be_seconds_or_a_date():
    later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90), usegmt=True)
    assert _seconds("1.5") == 1.5
    assert 80 < _seconds(later) <= 90
    assert _seconds("soon") == _seconds("") == 0


def test_a_stop_does_not_wait_for_the_tries_of_other_batches(server):
    encoder = EndpointEncoder(server.url, "m", batch_size=1, concurrency=2)
    server.ill = [lambda asked, answer: status(401 if asked["input"] == ["a"] else 503)(asked, answer)] * 30
    began = time.monotonic()
    with pytest.raises(EngineDown, match="refuses the key"):
        encoder.encode(["a", "b", "c"])
    assert time.monotonic() - began < 5


def test_a_missing_client_names_the_install(server, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "httpx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'interlingua\[endpoint\]'"):
        load_encoder(f"{server.url}#m")


def test_a_key_is_never_shown(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret\n")
    EndpointEncoder(server.url, "m", key_variable="MY_KEY")
    assert server.requests[-1][2]["Authorization"] == "Bearer secret"
    monkeypatch.setenv("MY_KEY", "sécret")
    with pytest.raises(InputError, match="The key in MY_KEY is not plain ASCII") as caught:
        EndpointEncoder(server.url, "m", key_variable="MY_KEY")
    assert "cret" not in str(caught.value)


def test_an_address_without_protocol_is_no_address():
    with pytest.raises(InputError, match="is no address of a server"):
        EndpointEncoder("localhost:8080/v1", "m")
