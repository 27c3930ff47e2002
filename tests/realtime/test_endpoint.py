import msgspec
import pytest

from harness.realtime.endpoint import parse_endpoint

KEY = "sk-Very5ecretKey"
AZURE = "acme.openai.azure.com"


def at(host, **options):
    return parse_endpoint(host, **{"model": "m", "api_key": KEY} | options)


def headers_of(endpoint):
    return dict(endpoint.upgrade_request().headers)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("api.openai.com", "wss://api.openai.com:443/v1/realtime?model=m"),
        ("API.OpenAI.com.", "wss://api.openai.com:443/v1/realtime?model=m"),
        ("https://api.openai.com/v1", "wss://api.openai.com:443/v1/realtime?model=m"),
        ("wss://api.openai.com/v1/realtime/", "wss://api.openai.com:443/v1/realtime?model=m"),
        ("localhost", "ws://localhost:80/v1/realtime?model=m"),
        ("localhost:8000", "ws://localhost:8000/v1/realtime?model=m"),
        ("sim.localhost:8000", "ws://sim.localhost:8000/v1/realtime?model=m"),
        (" 127.0.0.1:9000 ", "ws://127.0.0.1:9000/v1/realtime?model=m"),
        ("[::1]:9000", "ws://[::1]:9000/v1/realtime?model=m"),
        ("wss://localhost", "wss://localhost:443/v1/realtime?model=m"),
        ("http://10.0.0.5:8000/", "ws://10.0.0.5:8000/v1/realtime?model=m"),
        ("10.0.0.5:8000", "wss://10.0.0.5:8000/v1/realtime?model=m"),
        ("https://gw.example/openai/v1", "wss://gw.example:443/openai/v1/realtime?model=m"),
        ("gw.example/a/realtime?team=5&x=", "wss://gw.example:443/a/realtime?team=5&x=&model=m"),
        ("gw.example?model=theirs", "wss://gw.example:443/v1/realtime?model=theirs"),
        ("bücher.example", "wss://xn--bcher-kva.example:443/v1/realtime?model=m"),
        ("my_gateway:4000", "wss://my_gateway:4000/v1/realtime?model=m"),
        (AZURE, f"wss://{AZURE}:443/openai/v1/realtime?model=m"),
        (f"https://{AZURE}/openai/v1/", f"wss://{AZURE}:443/openai/v1/realtime?model=m"),
        (
            f"wss://{AZURE}/openai/realtime?api-version=2024-12-17",
            f"wss://{AZURE}:443/openai/realtime?api-version=2024-12-17&deployment=m",
        ),
        (
            f"{AZURE}/openai/realtime",
            f"wss://{AZURE}:443/openai/realtime?api-version=2025-04-01-preview&deployment=m",
        ),
    ],
)
def test_a_host_is_understood_in_every_way_people_write_it(host, url):
    assert at(host).upgrade_request().url == url


@pytest.mark.parametrize(
    "host",
    [
        *("", " ", "wss://", "/v1/realtime", ":8000", "8000", "127.1", "300.1.2.3", "a..b", "-a.b"),
        *("ftp://a.example", "wss//a.example", "http:/a.example", "a.example:", "a.example:0"),
        *("a.example:99999", "a.example:port", "[::1", "a b.example", "a.example\r\nX: y", "a\0b"),
        *("wss://a.example#x", "wss://user:hunter2@a.example", "wss://hunter2@a.example", "a,b"),
        *("ws://api.openai.com", "http://x.openai.azure.com", "x" * 300),
    ],
)
def test_an_impossible_host_is_refused_in_one_line(host):
    with pytest.raises(ValueError, match=r"host|speaks TLS only") as raised:
        at(host)

    text = str(raised.value)
    assert "\n" not in text
    assert "hunter2" not in text
    assert len(text) < 250
    assert type(raised.value) is ValueError


def test_the_model_is_quoted():
    url = at("localhost", model="org/model one&x=1#é").upgrade_request().url

    assert url == "ws://localhost:80/v1/realtime?model=org%2Fmodel%20one%26x%3D1%23%C3%A9"


@pytest.mark.parametrize(
    ("host", "dialect", "headers"),
    [
        ("api.openai.com", "auto", {"Authorization": f"Bearer {KEY}"}),
        ("gw.example", "openai", {"Authorization": f"Bearer {KEY}"}),
        (AZURE, "auto", {"api-key": KEY}),
        (AZURE, "azure-preview", {"api-key": KEY}),
        ("gw.example", "azure", {"api-key": KEY}),
        ("gw.example", "beta", {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "realtime=v1"}),
    ],
)
def test_each_dialect_shows_its_key_its_own_way(host, dialect, headers):
    assert headers_of(at(host, dialect=dialect)) == headers


def test_a_key_can_go_as_browsers_send_it():
    request = at("gw.example", auth="subprotocol").upgrade_request()

    assert request.subprotocols == ("realtime", f"openai-insecure-api-key.{KEY}")
    assert request.headers == ()


# Where a key may go.


@pytest.mark.parametrize(
    ("host", "options", "goes"),
    [
        ("wss://gw.example", {}, True),
        ("ws://localhost:8000", {}, True),
        ("ws://gw.example", {}, False),
        ("ws://10.0.0.5", {}, False),
        ("wss://gw.example", {"given_host": "wss://gw.example:8443"}, True),
        ("wss://gw.example", {"given_host": "ws://localhost:8000"}, False),
        ("wss://gw.example", {"given_host": ""}, False),
        ("ws://localhost:8000", {"given_host": ""}, False),
        ("api.openai.com", {"given_host": "gw.example"}, True),
        ("evil-openai.com", {"given_host": "gw.example"}, False),
        ("api.openai.com.evil.example", {"given_host": "gw.example"}, False),
        ("wss://gw.example", {"given_host": "", "send_key_to": "gw.example"}, True),
        ("ws://gw.example", {"given_host": "", "send_key_to": "gw.example"}, False),
        ("wss://other.example", {"given_host": "", "send_key_to": "gw.example"}, False),
    ],
)
def test_a_key_goes_only_where_it_may(host, options, goes):
    endpoint = at(host, **options)

    assert ("Authorization" in headers_of(endpoint)) is goes
    assert (endpoint.notice == "") is goes


def test_whoever_types_another_host_is_told():
    assert at("gw.example", given_host="api.openai.com").notice == (
        "gw.example is not the host given at start: dialling without the API key "
        "(--send-key-to gw.example allows it)"
    )
    assert "only over TLS" in at("ws://gw.example").notice


def test_an_openai_key_does_not_go_to_an_azure_resource_typed_later():
    with pytest.raises(ValueError, match="takes no one without a key"):
        at(AZURE, dialect="openai", given_host="api.openai.com")


def test_headers_do_not_go_to_a_host_typed_later():
    given = {"headers": [("X-Gateway", "token-of-gw")], "api_key": ""}

    assert headers_of(at("gw.example", **given)) == {"X-Gateway": "token-of-gw"}
    other = at("other.example", given_host="gw.example", **given)
    assert headers_of(other) == {}
    assert "--header values are not sent" in other.notice


@pytest.mark.parametrize(
    ("host", "variables"),
    [
        ("api.openai.com", "OPENAI_API_KEY or OPENAI_REALTIME_API_KEY"),
        (AZURE, "AZURE_OPENAI_API_KEY"),
    ],
)
def test_vendors_are_not_dialled_without_a_key(host, variables):
    with pytest.raises(ValueError, match=f"{host} takes no one without a key: set {variables}"):
        at(host, api_key="")


def test_an_authorization_of_ones_own_stands_for_the_key():
    own = [("authorization", "Bearer token-of-mine")]

    assert headers_of(at(AZURE, api_key="", headers=own)) == dict(own)
    assert headers_of(at("gw.example", headers=own)) == dict(own)


def test_others_are_dialled_without_a_key():
    assert headers_of(at("gw.example", api_key="")) == {}


@pytest.mark.parametrize(
    "header", [("", "x"), ("X Y", "x"), ("X:", "x"), ("X-A", "a\r\nB: c"), ("X-A", "é")]
)
def test_a_header_that_would_break_the_handshake_is_refused(header):
    with pytest.raises(ValueError, match="header") as raised:
        at("localhost", headers=[header])

    assert "B: c" not in str(raised.value)


# What is shown.


def test_nothing_an_endpoint_shows_holds_a_secret():
    endpoint = at(
        "wss://gw.example/v1?token=Query5ecret",
        headers=[("X-Gateway", "Header5ecret")],
    )
    shown = [repr(endpoint), str(endpoint), f"{endpoint}", endpoint.target, endpoint.notice]
    shown += [repr(endpoint.upgrade_request()), f"{endpoint.api_key}", repr(endpoint.headers)]
    shown += [str(msgspec.structs.asdict(endpoint))]
    for encoder in (msgspec.json.encode, msgspec.to_builtins, msgspec.msgpack.encode):
        with pytest.raises(TypeError) as raised:
            encoder(endpoint)
        shown.append(str(raised.value))

    assert "5ecret" not in " ".join(shown)
    assert repr(endpoint) == (
        "Endpoint(wss://gw.example:443/v1/realtime, openai, model='m', api_key='***')"
    )


def test_what_a_server_repeats_of_our_secrets_is_redacted():
    endpoint = at("gw.example?token=Query5ecret", headers=[("X-Gateway", "Bearer Header5ecret")])
    said = f"bad key {KEY} or Header5ecret or token=Query5ecret; send a Bearer"

    assert endpoint.redact(said) == "bad key *** or *** or ***; send a Bearer"


def test_a_target_is_scheme_host_and_port():
    assert at("https://gw.example/v1?x=y").target == "wss://gw.example:443"
    assert at("[::1]:9000").target == "ws://[::1]:9000"


@pytest.mark.parametrize(
    ("host", "loopback", "private", "vendor"),
    [
        ("localhost", True, True, False),
        ("127.8.8.8", True, True, False),
        ("[::1]", True, True, False),
        ("[::ffff:127.0.0.1]", True, True, False),
        ("192.168.1.7", False, True, False),
        ("[fd00::1]", False, True, False),
        ("simulator:8080", False, True, False),
        ("sim.default.svc", False, True, False),
        ("8.8.8.8", False, False, False),
        ("gw.example", False, False, False),
        ("api.openai.com", False, False, True),
        (AZURE, False, False, True),
        ("notopenai.com", False, False, False),
    ],
)
def test_whose_host_it_is(host, loopback, private, vendor):
    endpoint = at(host)

    assert (endpoint.loopback, endpoint.private, endpoint.vendor) == (loopback, private, vendor)


def test_ephemeral_keys_are_asked_for_beside_the_endpoint_and_replace_the_key():
    endpoint = at("https://gw.example/v1")

    assert endpoint.secrets_url == "https://gw.example:443/v1/realtime/client_secrets"
    assert headers_of(endpoint.with_key("ek_1")) == {"Authorization": "Bearer ek_1"}
    assert at("localhost:8000").secrets_url.startswith("http://localhost:8000/")
