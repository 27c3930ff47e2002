"""Play many cases and shrink what contradicts the truth: ``python -m fuzz --cases 1000``."""

import argparse
import re
import traceback
from collections import Counter
from dataclasses import replace
from pprint import pformat

from fuzz.cases import draw, play
from fuzz.claims import contradictions


def found_in(case):
    """What is wrong with a case: claims, and what they say without their numbers."""
    try:
        return list(contradictions(play(case)))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} at {where.filename}:{where.lineno}"
        return [("raised", what + "\n" + traceback.format_exc())]


def key(found):
    claim, what = found
    return claim, re.sub(r"[\d.e-]+", "#", re.sub(r"sim\d+_?\d*", "#", what))[:60]


def shrunk(case, wanted):
    """The case with what is not needed for a finding taken away."""
    smaller = True
    while smaller:
        smaller = False
        for fewer in _fewer(case):
            if wanted in map(key, found_in(fewer)):
                case, smaller = fewer, True
                break
    return case


def _fewer(case):
    for name in ("simulator", "workload", "session", "world"):
        options = getattr(case, name)
        for option in options:
            yield replace(case, **{name: {k: v for k, v in options.items() if k != option}})
    for index in range(len(case.moves)):
        yield replace(case, moves=case.moves[:index] + case.moves[index + 1 :])
    for index, move in enumerate(case.moves):
        if move[0] == "say" and move[1] != "Yes, please.":
            moves = [*case.moves]
            moves[index] = ("say", "Yes, please.", move[2])
            yield replace(case, moves=moves)
    if case.calls > 1:
        yield replace(case, calls=1)
    for name in ("stops_at", "killed_at"):
        if getattr(case, name) is not None:
            yield replace(case, **{name: None})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--shrink", type=int, default=1, help="of each finding, so many")
    args = parser.parse_args()
    seen, turns, examples = Counter(), Counter(), {}
    for seed in range(args.first, args.first + args.cases):
        case = draw(seed)
        try:
            played = play(case)
            found = list(contradictions(played))
            turns.update(f"{told.record.kind} {told.record.outcome}" for told in played.turns)
        except Exception:
            found = found_in(case)
        for each in {key(one): one for one in found}.items():
            seen[each[0]] += 1
            if seen[each[0]] <= args.shrink:
                examples[each[0]] = (seed, each[1])
    print(dict(turns))
    for each, (seed, what) in examples.items():
        print(f"\n=== {seen[each]} × {each[0]} (seed {seed})\n{what[1]}")
        if args.shrink:
            small = shrunk(draw(seed), each)
            print(pformat(small))
            print([one for one in found_in(small) if key(one) == each][:1])


if __name__ == "__main__":
    main()
