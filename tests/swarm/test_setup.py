import pytest

from harness.swarm.setup import SetupError, read_setup

HOST = "ws://127.0.0.1:8000"
KEYS = {"OPENAI_API_KEY": "key-of-ours"}


def setup(hosts=(HOST,), given=(HOST,), environ=KEYS, dials=True, **values):
    return read_setup(values, hosts, given_hosts=given, dials=dials, environ=environ)


def test_what_the_options_say_is_parsed_once():
    found = setup(turns="7", pause="1s")

    assert found.workload.turns == 7
    assert found.targets == "ws://127.0.0.1:8000"
    assert found.corpus.utterances
    assert found.notices == []


def test_the_key_goes_to_the_host_given_at_start():
    assert setup().endpoints[HOST].api_key.reveal() == "key-of-ours"


def test_another_host_is_dialled_without_the_key_and_that_is_said():
    found = setup(hosts=["wss://elsewhere.example"], free="elsewhere.example")

    (endpoint,) = found.endpoints.values()
    assert not endpoint.api_key
    assert "without the API key" in found.notices[0]


def test_secret_headers_come_from_the_environment():
    found = setup(environ={"REALTIME_HEADERS": "X-Token: abc"}, header="X-Team: voice")

    names = [name for name, _ in found.endpoints[HOST].headers]
    assert names == ["X-Token", "X-Team"]
    assert "abc" not in repr(found.endpoints[HOST])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hosts": ()}, "there is no host to call: name one with --host"),
        ({"hosts": ("ftp://x",)}, "--host: a host begins with"),
        ({"hosts": ("wss://api.openai.com",), "environ": {}}, "takes no one without a key"),
        ({"hosts": ("wss://api.openai.com",)}, "costs money: say how much by --max-cost"),
        ({"turns": "0"}, "--turns: must be a whole number"),
        ({"slo": "speed<1"}, "'speed<1' is no objective"),
        ({"environ": {"REALTIME_HEADERS": "nonsense"}}, "REALTIME_HEADERS: must look like"),
    ],
)
def test_what_makes_no_sense_is_one_line(changes, said):
    with pytest.raises(SetupError) as refused:
        setup(**changes)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_without_audio_is_one_line(tmp_path):
    with pytest.raises(SetupError, match=str(tmp_path)):
        setup(corpus=str(tmp_path))


def test_a_master_needs_no_key():
    hosts = ("wss://api.openai.com",)

    found = setup(hosts=hosts, given=hosts, environ={}, dials=False, max_cost="1")

    assert found.targets == "wss://api.openai.com:443"
