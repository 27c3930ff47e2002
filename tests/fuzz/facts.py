"""What was played, looked up: turns, what was true of their responses, what was delivered."""

from collections import defaultdict

from harness.records import Flag, Outcome

__all__ = ["ODD", "Facts"]

SLOTH = 50_000_000  # ns: a greenlet may be so late, besides stalls
MESSAGE_FAULTS = ("drop", "delay", "duplicate", "cut", "corrupt", "oversize")
ODD = {Flag.PREMATURE, Flag.SECOND_ANSWER, Flag.IDLE_TIMEOUT}
"""Turns in which more is said than their answer."""


class Facts:
    """What was played, looked up."""

    def __init__(self, played):
        self.played = played
        self.case, self.workload = played.case, played.workload
        faults = played.case.simulator.get("fault", ())
        self.faults = {fault.partition("=")[0].partition(":")[0] for fault in faults}
        self.garbled = bool(self.faults & set(MESSAGE_FAULTS))
        self.turns = [told.record for told in played.turns]
        self.told = {id(told.record): told for told in played.turns}
        self.ends = [told for told in played.sessions if told.record.event == "end"]
        self.truth = {truth.response_id: truth for truth in played.truths}
        self.wire_of = {wire.session_id: wire for wire in played.wires}
        self.heard = defaultdict(list)  # by response id
        if not self.garbled:
            for wire in played.wires:
                for each in wire.delivered:
                    if each.response_id is not None:
                        self.heard[each.response_id].append(each)
        self.always_beta = played.case.simulator.get("beta") == "always"
        limits = self.workload.limits
        self.limits = limits
        self.slack = played.world.longest_block + SLOTH

    def of(self, turn, *types):
        """Messages about the responses of a turn, in their order, until it was recorded."""
        order = self.told[id(turn)].order
        found = [
            each
            for response in turn.response_ids
            for each in self.heard[response]
            if each.type in types and each.order < order
        ]
        return sorted(found, key=lambda each: each.order)

    def gave_up_before(self, turn):
        """Whether what answers it may be the late answer to a turn before it."""
        return any(
            other.outcome in (Outcome.TIMEOUT, Outcome.ABANDONED)
            and other.call == turn.call
            and other is not turn
            for other in self.turns
        )
