import json
import random
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import pytest
from openai.types.realtime import RealtimeFunctionTool

from harness.durations import Distribution, parse_distribution
from harness.tools import Functions, SimulatedTools, Tool, named_in, tool, tools_of

RNG = random.Random(1)


@dataclass
class Place:
    city: str
    country: str = "FR"


@tool
def book(place: Place, people: int, at: Literal["noon", "evening"] = "evening", extras=()):
    """
    Book a table.

    Only for tonight.

    Args:
        place: Where it is.
        people: How many come.

    """
    return {
        "place": [place.city, place.country],
        "people": people,
        "at": at,
        "extras": list(extras),
    }


class Desk:
    def __init__(self, floor):
        self.floor = floor

    @tool
    def find(self, name: str) -> dict:
        """Find somebody."""
        return {"name": name, "floor": self.floor}

    @tool(name="hang-up")
    def hang_up(self):
        return None

    def plain(self):
        return 1


def answer(made, arguments):
    found = Functions([made]).answer(made.name, arguments, RNG)
    return json.loads(found.output), found.outcome, found.valid


def test_a_schema_comes_from_signature_and_docstring():
    assert book.schema == {
        "type": "function",
        "name": "book",
        "description": "Book a table.\nOnly for tonight.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"description": "Where it is.", "$ref": "#/$defs/Place"},
                "people": {"description": "How many come.", "type": "integer"},
                "at": {"enum": ["evening", "noon"], "default": "evening"},
                "extras": {},
            },
            "required": ["place", "people"],
            "$defs": {
                "Place": {
                    "title": "Place",
                    "type": "object",
                    "properties": {
                        "city": {"type": "string"},
                        "country": {"type": "string", "default": "FR"},
                    },
                    "required": ["city"],
                }
            },
        },
    }


def test_limits_of_an_argument_are_in_its_schema_and_hold():
    def pick(n: Annotated[int, msgspec.Meta(ge=1, le=6)]):
        return n

    made = Tool(pick)

    assert made.parameters["properties"]["n"] == {"type": "integer", "minimum": 1, "maximum": 6}
    assert answer(made, '{"n":6}') == (6, "ok", True)
    assert answer(made, '{"n":7}')[1:] == ("error", False)


@pytest.mark.parametrize("schema", [book.schema, *SimulatedTools(Distribution("fixed", 0)).schemas])
def test_schemas_are_valid_to_the_openai_package(schema):
    assert RealtimeFunctionTool.model_validate(schema, strict=True).name == schema["name"]


def test_a_call_runs_the_function_with_typed_arguments():
    output, outcome, valid = answer(book, '{"place":{"city":"Lyon"},"people":2,"extras":["cake"]}')

    assert output["place"] == ["Lyon", "FR"]
    assert (output["people"], output["at"], output["extras"]) == (2, "evening", ["cake"])
    assert (outcome, valid) == ("ok", True)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{}",
        "null",
        "[1]",
        "{",
        '{"people":2}',
        '{"place":5,"people":2}',
        "[" * 100_000,
        "\ud800",
    ],
    ids=lambda text: repr(text[:25]),
)
def test_bad_arguments_are_answered_and_not_fatal(arguments):
    output, outcome, valid = answer(book, arguments)

    assert output["error"].startswith("bad arguments: ")
    assert (outcome, valid) == ("error", False)


def test_a_tool_that_fails_says_so_to_the_endpoint():
    def fail():
        raise KeyError("x")

    assert answer(Tool(fail), "") == ({"error": "KeyError: 'x'"}, "error", True)


def test_a_result_that_is_no_json_is_a_failure_of_the_tool():
    def odd():
        return object()

    output, outcome, _ = answer(Tool(odd), "{}")
    assert "unsupported" in output["error"]
    assert outcome == "error"


def test_a_call_of_no_tool_is_unknown():
    found = Functions([book]).answer("dance", "{}", RNG)

    assert (found.outcome, json.loads(found.output)) == (
        "unknown",
        {"error": "there is no tool dance"},
    )


def test_methods_are_bound_to_their_object():
    first, second = Desk(1), Desk(2)

    assert [each.name for each in tools_of(first)] == ["find", "hang-up"]
    backend = Functions(tools_of(second))
    assert json.loads(backend.answer("find", '{"name":"Ann"}', RNG).output)["floor"] == 2
    assert backend.answer("hang-up", "", RNG).output == "null"
    assert [schema["name"] for schema in backend.schemas] == ["find", "hang-up"]


def test_a_decorated_function_can_still_be_called():
    assert book(Place("Lyon"), 2)["people"] == 2
    assert Desk(3).find("Ann") == {"name": "Ann", "floor": 3}


def test_plain_functions_are_tools_too():
    def greet(name: str):
        return f"Hello {name}"

    assert (
        json.loads(Functions([greet]).answer("greet", '{"name":"Ann"}', RNG).output) == "Hello Ann"
    )


async def asynchronous():
    pass


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda *args: None, "no name of a tool"),
        (asynchronous, "is async"),
    ],
)
def test_what_can_be_no_tool_is_refused_when_it_is_declared(function, why):
    with pytest.raises(TypeError, match=why):
        tool(function)


def test_parameters_without_a_name_are_refused():
    def loose(**anything):
        pass

    with pytest.raises(TypeError, match="name each parameter"):
        tool(loose)


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two tools called book"):
        Functions([book, book])


# The simulated backend.


def test_the_simulated_backend_answers_any_call_after_its_latency():
    backend = SimulatedTools(parse_distribution("300ms"))
    found = backend.answer("anything", '{"query":"hours"}', RNG)

    assert json.loads(found.output) == {"tool": "anything", "result": "available"}
    assert (found.outcome, found.valid, found.delay) == ("ok", True, 0.3)


def test_the_simulated_backend_fails_as_often_as_told():
    backend = SimulatedTools(parse_distribution("uniform(100ms, 300ms)"), failure_rate=0.25)
    rng = random.Random(5)
    found = [backend.answer("look_up", "", rng) for _ in range(4_000)]

    failed = sum(each.outcome == "error" for each in found)
    assert failed == pytest.approx(1_000, abs=100)
    assert sum(each.delay for each in found) / 4_000 == pytest.approx(0.2, abs=0.005)


def test_the_same_seed_gives_the_same_answers():
    def run():
        backend = SimulatedTools(parse_distribution("lognormal(200ms, 0.3)"), failure_rate=0.5)
        rng = random.Random(9)
        return [backend.answer("look_up", "{}", rng) for _ in range(20)]

    assert run() == run()


def test_the_simulated_backend_finds_bad_arguments():
    found = SimulatedTools(parse_distribution("0s")).answer("look_up", "[]", RNG)

    assert (found.outcome, found.valid) == ("error", False)


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (None, ["docs.other"]),
        (["search", "fetch"], ["docs.other", "docs.search", "docs.fetch"]),
        ({"tool_names": ["search"], "read_only": True}, ["docs.other", "docs.search"]),
    ],
)
def test_a_session_names_the_tools_that_it_allows(allowed, names):
    server = {"type": "mcp", "server_label": "docs", "allowed_tools": allowed}

    assert named_in({"tools": [server, {"type": "function", "name": "get_time"}]}) == names


def test_a_session_without_tools_names_none():
    assert named_in({}) == named_in({"tools": None}) == named_in({"tools": ["search"]}) == []
