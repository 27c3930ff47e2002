import re

from manifests import OVERLAYS
from scraping import ROOT

README = (ROOT / "k8s" / "README.md").read_text()
COMMANDS = "\n".join(re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
MANIFESTS = "".join(path.read_text() for path in (ROOT / "k8s").rglob("*.yaml"))


def test_every_overlay_is_in_the_table():
    assert tuple(sorted(re.findall(r"^\| `([\w-]+)` \|", README, re.MULTILINE))) == OVERLAYS


def test_commands_name_files_that_exist():
    named = re.findall(r"(?:-k|-f) (k8s/\S+)", COMMANDS)

    assert len(named) >= 4
    assert all((ROOT / path).exists() for path in named)


def test_secrets_are_made_as_manifests_ask_for_them():
    made = re.findall(r"create secret generic ([\w-]+) (.+)", COMMANDS)
    keys = {name: set(re.findall(r"--from-literal=(\w+)=", rest)) for name, rest in made}

    assert keys == {"api-key": {"OPENAI_REALTIME_API_KEY"}, "web-login": {"user", "password"}}
    for name, expected in keys.items():
        assert re.search(rf"name: {name}\b", MANIFESTS)
        assert all(re.search(rf"key: {key}\b", MANIFESTS) for key in expected)


def test_links_lead_to_files_of_this_repository():
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    # The figures of the machine at hand are measured, not shipped with the manifests.
    assert {*links} == {"../bench/README.md"}


def test_it_quotes_no_number_of_sessions_that_only_a_bench_can_know():
    assert not re.search(r"\b\d+ sessions\b", README)
