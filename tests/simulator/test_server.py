"""The endpoint as a client meets it: real processes, real sockets."""

import asyncio
import base64
import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
import trustme
from dialogue import silence, speech
from endpoint import running_simulator
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = pytest.mark.e2e

COMMAND = [sys.executable, "-m", "harness", "simulate"]
WITHIN = 20.0  # seconds, on a busy machine


class Client:
    """A plain client that remembers what it heard."""

    def __init__(self, socket):
        self.socket = socket
        self.heard = []

    async def send(self, type, **fields):
        await self.socket.send(json.dumps({"type": type, **fields}))

    async def append(self, audio):
        for start in range(0, len(audio), 4800):
            frame = base64.b64encode(audio[start : start + 4800]).decode()
            await self.send("input_audio_buffer.append", audio=frame)

    async def until(self, type):
        while True:
            event = json.loads(await asyncio.wait_for(self.socket.recv(), WITHIN))
            self.heard.append(event)
            if event["type"] == type:
                return event

    async def configure(self, turn_detection=None):
        audio = {"input": {"turn_detection": turn_detection}}
        await self.send("session.update", session={"type": "realtime", "audio": audio})
        await self.until("session.updated")


def with_client(url, conversation, **options):
    """Run ``conversation`` with a client of ``url``."""

    async def run():
        async with connect(url, max_size=None, **options) as socket:
            client = Client(socket)
            await conversation(client)
            return client

    return asyncio.run(run())


@pytest.fixture(scope="module")
def simulator():
    options = ("--answer", "500ms", "--answer-audio", "tone", "--ttfa", "50ms", "--speed", "0")
    with running_simulator(*options) as running:
        yield running


def logged(simulator, session_id):
    return [line for line in simulator.truth() if line["session_id"] == session_id]


def session_of(client):
    (created,) = [event for event in client.heard if event["type"] == "session.created"]
    return created["session"]["id"]


def test_push_to_talk_over_a_socket(simulator):
    async def talk(client):
        await client.until("session.created")
        await client.configure()
        for _ in range(2):
            await client.append(speech(0.5))
            await client.send("input_audio_buffer.commit")
            await client.send("response.create")
            await client.until("response.done")

    client = with_client(simulator.url, talk)

    lines = logged(simulator, session_of(client))
    created = [e["response"]["id"] for e in client.heard if e["type"] == "response.created"]
    assert [line["response_id"] for line in lines] == created
    for line in lines:
        assert line["kind"] == "speech"
        assert line["voiced_in"] <= line["commit_in"] <= line["created_out"]
        assert line["first_due"] <= line["first_out"] == line["first_audible_out"]
        assert line["first_out"] <= line["last_out"] <= line["done_out"]
        assert line["first_due"] - line["created_out"] == pytest.approx(50e6, abs=20e6)


def test_open_microphone_over_a_socket(simulator):
    async def talk(client):
        await client.until("session.created")
        await client.configure({"type": "server_vad"})
        await client.append(silence(0.5) + speech(0.5) + silence(0.8))
        await client.until("response.done")

    client = with_client(simulator.url, talk)

    (line,) = logged(simulator, session_of(client))
    assert line["turn_detection"] == "server_vad"
    assert line["commit_in"] is None
    assert line["voiced_in"] <= line["speech_stopped_out"] <= line["created_out"]
    assert line["first_out"] - line["speech_stopped_out"] >= 49e6


def test_a_long_and_a_fragmented_message_are_read_whole(simulator):
    async def talk(client):
        await client.until("session.created")
        await client.configure()
        audio = base64.b64encode(speech(60.0)).decode()
        message = json.dumps({"type": "input_audio_buffer.append", "audio": audio})
        await client.socket.send(message)
        await client.socket.send([message[:100], message[100:5000], message[5000:]])
        await client.send("input_audio_buffer.commit")
        await client.send("response.create")
        done = await client.until("response.done")
        assert done["response"]["usage"]["input_token_details"]["audio_tokens"] == 1200

    with_client(simulator.url, talk)


def test_binary_messages_are_refused(simulator):
    async def talk(client):
        await client.until("session.created")
        await client.socket.send(b'{"type": "response.create"}')
        error = await client.until("error")
        assert error["error"]["code"] == "invalid_json"

    with_client(simulator.url, talk)


def test_a_close_is_answered_in_kind(simulator):
    async def talk(client):
        await client.until("session.created")
        await client.socket.close(1000, "bye")
        assert (client.socket.close_code, client.socket.protocol.close_rcvd.code) == (1000, 1000)

    with_client(simulator.url, talk)


def test_a_close_without_a_code_is_answered_too(simulator):
    async def talk(client):
        await client.until("session.created")
        client.socket.protocol.send_close()
        client.socket.transport.write(b"".join(client.socket.protocol.data_to_send()))
        await asyncio.wait_for(client.socket.wait_closed(), WITHIN)
        assert client.socket.protocol.close_rcvd.code == 1000

    with_client(simulator.url, talk)


def test_a_client_that_vanishes_leaves_its_responses_in_the_log():
    with running_simulator("--answer", "30s", "--speed", "1", "--ttfa", "10ms") as simulator:

        async def vanish(client):
            await client.until("session.created")
            await client.send("response.create")
            await client.until("response.output_audio.delta")
            client.socket.transport.abort()

        with_client(simulator.url, vanish)
        simulator.stop()
        (line,) = simulator.truth()
        assert line["status"] == "in_progress"
        assert line["done_out"] is None


def test_nothing_is_sent_to_who_has_vanished(capfd):
    with running_simulator("--answer", "60s", "--speed", "0", "--ttfa", "0s") as simulator:

        async def vanish(client):
            await client.until("session.created")
            # What is asked for is read when nobody is there any more.
            simulator.signal(signal.SIGSTOP)
            os.waitid(os.P_PID, simulator.pid, os.WSTOPPED | os.WNOWAIT)
            await client.send("response.create")
            client.socket.transport.abort()
            await client.socket.wait_closed()
            simulator.signal(signal.SIGCONT)

        with_client(simulator.url, vanish)
        simulator.stop()
        assert [line["status"] for line in simulator.truth()] == ["in_progress"]
    assert capfd.readouterr().err == ""


def test_a_page_tells_people_and_programs_what_was_done():
    options = ("--answer", "500ms", "--speed", "0", "--ttfa", "10ms", "--tool-rate", "0")
    with running_simulator(*options) as simulator:
        address = simulator.url.replace("ws://", "http://").removesuffix("/v1/realtime")

        async def talk(client):
            await client.until("session.created")
            await client.configure()
            for _ in range(2):
                await client.append(speech(0.5))
                await client.send("input_audio_buffer.commit")
                await client.send("response.create")
                await client.until("response.done")

        with_client(simulator.url, talk)
        with urllib.request.urlopen(f"{address}/totals") as answer:
            totals = json.load(answer)
        with urllib.request.urlopen(f"{address}/") as answer:
            assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
            rows = dict(re.findall(r"<td>(.+?)</td><td>(.+?)</td>", answer.read().decode()))

    asked = ("sessions", "turns", "responses", "tool_calls", "audio_in_s", "audio_out_s")
    assert [totals[name] for name in asked] == [1, 2, 2, 0, 1.0, 1.0]
    named = ("Sessions", "Turns", "Responses", "Tool calls", "Audio heard", "Audio said")
    assert [rows[name] for name in named] == ["1", "2", "2", "0", "1.0 s", "1.0 s"]
    assert rows["completed"] == "2"


def test_it_takes_as_many_connections_as_the_system_allows():
    own = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with running_simulator() as simulator:
            assert resource.prlimit(simulator.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, own)


def test_other_pages_tell_health_or_are_not_there(simulator):
    address = simulator.url.replace("ws://", "http://").removesuffix("/v1/realtime")

    with urllib.request.urlopen(f"{address}/healthz") as answer:
        assert json.load(answer) == {"status": "ok"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/nothing")
    assert refused.value.code == 404
    refused.value.close()


@pytest.mark.parametrize(
    ("headers", "protocols", "let_in"),
    [
        ({"Authorization": "Bearer secret"}, None, True),
        ({"api-key": "secret"}, None, True),
        ({}, ["realtime", "openai-insecure-api-key.secret"], True),
        ({}, None, False),
        ({"Authorization": "Bearer wrong"}, None, False),
        ({}, ["realtime", "openai-insecure-api-key.wrong"], False),
    ],
)
def test_a_key_lets_in_who_shows_it(locked, headers, protocols, let_in):
    async def greet(client):
        await client.until("session.created")
        assert client.socket.subprotocol == ("realtime" if protocols else None)

    options = {"additional_headers": headers, "subprotocols": protocols}
    url = f"{locked.url}?model=gpt-known"
    if let_in:
        with_client(url, greet, **options)
        return
    with pytest.raises(InvalidStatus) as refused:
        with_client(url, greet, **options)
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "invalid_api_key"


@pytest.fixture(scope="module")
def locked():
    env = {**os.environ, "REALTIME_SIMULATOR_KEY": "secret"}
    with running_simulator("--model", "gpt-known", env=env) as running:
        yield running


def test_an_unknown_model_is_refused_after_the_upgrade(locked):
    async def talk(client):
        error = await client.until("error")
        assert error["error"]["code"] == "model_not_found"
        with pytest.raises(ConnectionClosed):
            await client.until("session.created")
        assert client.socket.close_code == 4000

    headers = {"Authorization": "Bearer secret"}
    with_client(f"{locked.url}?model=gpt-other", talk, additional_headers=headers)


def test_it_speaks_tls_when_it_has_a_certificate(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    options = ("--cert", str(tmp_path / "cert.pem"), "--key", str(tmp_path / "key.pem"))

    with running_simulator(*options, "--ttfa", "0s") as simulator:
        assert simulator.url.startswith("wss://127.0.0.1:")

        async def talk(client):
            await client.until("session.created")
            await client.send("response.create")
            done = await client.until("response.done")
            assert done["response"]["status"] == "completed"

        with_client(simulator.url, talk, ssl=trust)


def test_it_makes_a_certificate_when_asked_to(tmp_path):
    with running_simulator("--tls", str(tmp_path / "authority.pem"), "--ttfa", "0s") as simulator:
        trust = ssl.create_default_context(cafile=str(tmp_path / "authority.pem"))
        heard = []

        async def talk(client):
            heard.append((await client.until("session.created"))["type"])

        with_client(simulator.url, talk, ssl=trust)
        with_client(simulator.url.replace("127.0.0.1", "localhost"), talk, ssl=trust)

    assert heard == ["session.created", "session.created"]


def test_a_client_that_does_not_trust_it_is_told_of_in_a_line(tmp_path):
    said = tmp_path / "said"
    options = ("--tls", str(tmp_path / "authority.pem"))
    with said.open("w") as file, running_simulator(*options, stderr=file.fileno()) as simulator:
        with pytest.raises(ssl.SSLError):
            with_client(simulator.url, None, ssl=ssl.create_default_context())
        end = time.monotonic() + WITHIN
        while not said.read_text():
            assert time.monotonic() < end
            time.sleep(0.01)

    for line in said.read_text().splitlines():
        assert line.startswith("realtime-harness simulate: ")


def test_metrics_are_the_totals_in_the_words_of_prometheus(simulator):
    address = simulator.url.replace("ws://", "http://").removesuffix("/v1/realtime")

    async def talk(client):
        await client.until("session.created")
        await client.send("response.create")
        await client.until("response.done")

    with_client(simulator.url, talk)

    with urllib.request.urlopen(f"{address}/metrics") as answer:
        families = {f.name: f for f in text_string_to_metric_families(answer.read().decode())}
    with urllib.request.urlopen(f"{address}/totals") as answer:
        totals = json.load(answer)

    def value(name):
        return families[f"realtime_simulator_{name}"].samples[0].value

    assert value("sessions") == totals["sessions"] > 0
    assert value("responses") == totals["responses"]
    assert value("audio_out_seconds") == totals["audio_out_s"]
    assert value("open_sessions") == totals["open_sessions"]
    late = families["realtime_simulator_first_delta_lateness_seconds"]
    assert {sample.name.rpartition("_")[2] for sample in late.samples} >= {"sum", "count"}


def test_sigterm_says_goodbye_and_completes_the_log():
    with running_simulator("--answer", "30s", "--speed", "1") as simulator:

        async def hear_the_end(client):
            await client.until("session.created")
            await client.send("response.create")
            await client.until("response.created")
            simulator.signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                await client.until("response.done")
            assert client.socket.close_code == 1001

        with_client(simulator.url, hear_the_end)
        assert simulator.stop() == 0
        assert len(simulator.truth()) == 1
        assert simulator.totals()["responses"] == 1


def test_whoever_asks_it_to_end_again_and_again_gets_its_totals(tmp_path):
    log = tmp_path / "truth.jsonl"
    command = [*COMMAND, "--port", "0", "--truth", str(log)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    while process.poll() is None:
        process.terminate()
        time.sleep(0.0005)
    process.stdout.close()

    assert list(json.loads(log.read_text().splitlines()[-1])) == ["totals"]


def test_it_ends_with_its_stdin():
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    first = process.stdout.readline()
    out, _ = process.communicate(timeout=WITHIN)

    assert first.startswith("listening on ws://127.0.0.1:")
    assert out == ""
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--ttfa", "soon"], "--ttfa: 'soon' is no duration"),
        (["--answer", "gamma(1, 2)"], "--answer: 'gamma(1, 2)' is no distribution"),
        (["--answer-audio", "song"], "--answer-audio: 'song' is none of speech"),
        (["--tool-rate", "2"], "--tool-rate: '2' is no share: write it like 0.02 or 2%"),
        (["--stall-rate", "many"], "--stall-rate: 'many' is no share"),
        (["--drift", "fast"], "--drift: 'fast' is no duration"),
        (["--fault", "explode=1%"], "--fault: 'explode=1%' is no fault: write NAME=RATE"),
        (["--fault", "stop=60%", "--fault", "fail=60%"], "--fault: the rates of what strikes a"),
        (["--profile", "mine"], "can't read the profile mine: No such file or directory; shipped"),
        (["--when-full", "queue"], "--when-full: 'queue' is none of reject, 429"),
        (["--delta-ms", "1"], "--delta-ms: must be a whole number from 10 to 2000, not '1'"),
        (["--speed", "fast"], "--speed: 'fast' is no speed"),
        (["--port", "70000"], "--port: must be a whole number from 0 to 65535, not '70000'"),
        (["--truth", "/nowhere/truth.jsonl"], "can't write /nowhere/truth.jsonl: No such file"),
        (
            ["--cert", "/nowhere/cert.pem"],
            "can't read /nowhere/cert.pem: No such file or directory",
        ),
        (["--cert", __file__], "test_server.py must hold a certificate and its private key"),
        (["--tls", "/dev/null", "--host", "a b"], "no certificate can name the host 'a b'"),
        (["--key", "/nowhere/key.pem"], "--key needs its --cert"),
        (["--tls", "/nowhere/ca.pem"], "can't write /nowhere/ca.pem: No such file"),
        (["--tls", "ca.pem", "--cert", "c.pem"], "--tls makes a certificate, --cert brings one"),
        (["--host", "192.0.2.1"], "can't listen on 192.0.2.1:0: Cannot assign"),
    ],
)
def test_what_makes_no_sense_is_one_clear_line(options, says):
    done = subprocess.run(
        [*COMMAND, "--port", "0", *options],
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )

    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )

    assert done.returncode == 2
    assert done.stderr == (
        f"realtime-harness simulate: can't listen on 127.0.0.1:{port}: Address already in use\n"
    )


@pytest.mark.parametrize(("how", "status"), [("reject", 101), ("429", 429)])
def test_a_session_too_many_is_refused_before_or_after_the_upgrade(how, status):
    with running_simulator("--max-sessions", "1", "--when-full", how) as full:

        async def talk(client):
            await client.until("session.created")
            if status == 429:
                with pytest.raises(InvalidStatus) as refused:
                    await connect(full.url)
                answer = refused.value.response
                assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
                return
            async with connect(full.url) as second:
                error = json.loads(await second.recv())["error"]
                assert error["code"] == "session_limit_reached"
                with pytest.raises(ConnectionClosed):
                    await second.recv()
                assert second.close_code == 1008

        with_client(full.url, talk)


def test_faults_can_be_listed():
    done = subprocess.run([*COMMAND, "--list-faults"], capture_output=True, text=True, check=True)

    assert "refuse:503|401|403|429\n    of a handshake: an HTTP status" in done.stdout


def test_options_beside_a_profile_win_and_faults_add_up():
    with running_simulator("--profile", "slow", "--ttfa", "0s", "--fault", "hold=0") as slow:

        async def talk(client):
            await client.until("session.created")
            await client.send("response.create")
            await client.until("response.done")

        with_client(slow.url, talk)
        (line,) = slow.truth()
        assert line["first_due"] <= line["created_out"]


def post(url, body, key="secret"):
    address = url.replace("ws://", "http://") + "/client_secrets"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode(), headers, method="POST")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_a_client_secret_is_issued_and_lets_in(locked):
    session = {"type": "realtime", "model": "gpt-known", "instructions": "Be brief."}
    secret = post(locked.url, {"session": session})["value"]

    async def greet(client):
        created = await client.until("session.created")
        assert created["session"]["instructions"] == "Be brief."

    with_client(locked.url, greet, additional_headers={"Authorization": f"Bearer {secret}"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(locked.url, {}, key="wrong")
    assert refused.value.code == 401
    refused.value.close()


def test_a_request_may_come_in_pieces(locked):
    host, port = locked.url.removeprefix("ws://").removesuffix("/v1/realtime").split(":")
    pieces = [
        b"POST /v1/realtime/client_sec",
        b"rets HTTP/1.1\r\nHost: x\r\napi-key: sec",
        b"ret\r\nContent-Length: 15\r\n\r\n",
        b'{"session":',
        b" {}}",
    ]
    with socket.create_connection((host, int(port)), WITHIN) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
        answer = b"".join(iter(lambda: client.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"value":"ek_' in answer


def test_a_proxy_may_want_to_keep_the_connection(locked):
    host, port = locked.url.removeprefix("ws://").removesuffix("/v1/realtime").split(":")
    request = (
        "GET /v1/realtime?model=gpt-known HTTP/1.1\r\nHost: x\r\napi-key: secret\r\n"
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), WITHIN) as client:
        client.sendall(request.encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
