"""The options of a load test in Locust's own parser: command line, environment and web form."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from harness.loads import LOAD_OPTIONS
from harness.options import OPTIONS, TIMEOUT_OPTIONS, Option, OptionError, parse_option
from harness.slo import parse_slo

__all__ = ["FORBIDDEN_IN_FORM", "add_options", "check_values", "offer", "safe_values"]

COMMON = (*OPTIONS, *TIMEOUT_OPTIONS)
ALL = (*COMMON, *LOAD_OPTIONS)
BY_NAME = {option.name: option for option in ALL}

FORBIDDEN_IN_FORM = frozenset(option.name for option in ALL if not option.form)
"""Options that no web form may set: they name files of this machine, or whom to trust."""

SECRET = frozenset({"header"})


class _Join(argparse.Action):
    """Collects what is given several times as one text: Locust's form can't post lists."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before};{values}" if before else values)


def add_options(parser: Any) -> None:
    """Hand the options of every test to Locust's ``parser``."""
    group = parser.add_argument_group("Realtime", "What callers do, and how they are measured.")
    for option in COMMON:
        if _known(parser, option) is None:
            _add(group, option)


def offer(parser: Any, options: Mapping[str, str | None]) -> None:
    """
    Add to Locust's ``parser`` what a locustfile asks for, or change its default there.

    Args:
        parser: Locust's.
        options: By name, with the default that each has here; ``None`` leaves the option's own.

    Raises:
        OptionError: If there is no such option, or it can't have that value.

    """
    for name, default in options.items():
        if name not in BY_NAME:
            known = ", ".join(sorted(BY_NAME))
            raise OptionError(f"a locustfile asks for the option {name!r}: known are {known}")
        option = BY_NAME[name]
        if default is not None:
            option = msgspec.structs.replace(option, default=default)
            _parse(option, default)
        if (action := _known(parser, option)) is None:
            _add(parser, option)
        else:
            action.default, action.help = option.default, _help(option)


def _known(parser: Any, option: Option) -> Any:
    return parser._option_string_actions.get(option.flag)


def _add(group: Any, option: Option) -> None:
    action = group.add_argument(option.flag, env_var=option.env, **_arguments(option))
    # A group's add_argument doesn't know what Locust's parser adds to argparse.
    action.include_in_web_ui = option.form
    action.is_secret = action.is_required = action.is_multiple = False


def check_values(values: Mapping[str, Any]) -> None:
    """
    Look at values before anything starts with them.

    Raises:
        OptionError: If one makes no sense; the message is one line that names the option.

    """
    for option in ALL:
        if option.name in values:
            _parse(option, values[option.name])


def safe_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options' values as ``run.json`` may say them: what may be secret is masked."""
    offered = (option for option in LOAD_OPTIONS if option.name in values)
    found = {option.name: values.get(option.name) for option in (*COMMON, *offered)}
    return {name: "***" if name in SECRET and value else value for name, value in found.items()}


def _parse(option: Option, value: Any) -> Any:
    parsed = parse_option(option, value)
    if option.name == "slo":
        try:
            parse_slo(parsed or "")
        except ValueError as error:
            raise OptionError(f"--slo: {error}") from None
    return parsed


def _arguments(option: Option) -> dict[str, Any]:
    common = {"help": _help(option)}
    if option.switch:
        return {**common, "action": "store_true", "default": False}
    if option.choices:
        return {**common, "choices": option.choices, "default": option.default}
    return {
        **common,
        "action": _Join if option.repeat else "store",
        "type": _checked(option),
        "default": option.default,
        "metavar": option.placeholder,
    }


def _checked(option: Option) -> Callable[[str], str]:
    """A value is looked at here, but stays the text it is, so that the form can show it."""

    def check(text: str) -> str:
        try:
            _parse(option, text)
        except OptionError as error:
            # argparse names the option itself.
            message = str(error).removeprefix(f"{option.flag}: ")
            raise argparse.ArgumentTypeError(message) from None
        return text

    return check


def _help(option: Option) -> str:
    default = (option.default or "").replace("%", "%%")
    return f"{option.help} Default: {default}." if default else option.help
