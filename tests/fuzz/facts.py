"""What was played, looked up: turns, what was true of their responses, what was delivered."""

from collections import defaultdict

from harness.corpus import load_corpus
from harness.noise import in_noise
from harness.records import Flag, Outcome

__all__ = ["ODD", "Facts"]

SLOTH = 50_000_000  # ns: a greenlet may be so late, besides stalls
SHUFFLING = {"drop", "delay", "duplicate"}
MANGLING = {"cut", "corrupt", "oversize"}
ODD = {Flag.PREMATURE, Flag.SECOND_ANSWER, Flag.IDLE_TIMEOUT}
"""Turns in which more is said than their answer."""


class Facts:
    """What was played, looked up."""

    def __init__(self, played):
        self.played = played
        self.case, self.workload = played.case, played.workload
        faults = played.case.simulator.get("fault", ())
        self.faults = {fault.partition("=")[0].partition(":")[0] for fault in faults}
        self.mangled = bool(self.faults & MANGLING)  # not all messages are what they were
        self.garbled = self.mangled or bool(self.faults & SHUFFLING)  # nor in their order, or once
        self.turns = [told.record for told in played.turns]
        self.told = {id(told.record): told for told in played.turns}
        self.ends = [told for told in played.sessions if told.record.event == "end"]
        self.truth = {truth.response_id: truth for truth in played.truths}
        self.wire_of = {wire.session_id: wire for wire in played.wires}
        self.heard = defaultdict(list)  # by response id
        if not self.mangled:
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

    def spoken(self, turn):
        """Of an utterance, ns from its last voiced sample to its end, and of it all."""
        workload = self.workload
        corpus = in_noise(load_corpus(), workload.noise, workload.snr)
        speech = corpus.speech(corpus.get(turn.said), workload.audio_format, workload.frame_ms)
        length = len(speech.frames) * speech.frame_ns
        return length - speech.voice_end_ns, length

    def gave_up_before(self, turn):
        """Whether what answers it may be the late answer to a turn before it."""
        return any(
            other.outcome in (Outcome.TIMEOUT, Outcome.ABANDONED)
            and other.call == turn.call
            and other is not turn
            for other in self.turns
        )
