"""What no record may say, whatever happened: each claim looks at a case that was played."""

from collections import Counter

from fuzz.facts import ODD, Facts
from fuzz.wire import duration_ns
from harness.cost import cost_usd, load_prices, merge_usage
from harness.records import MARKS, Flag, Kind, Outcome, Phase, SessionOutcome

__all__ = ["contradictions"]

NS = 1_000_000_000


def contradictions(played):
    """``(claim, what contradicts it)`` of all claims."""
    facts = Facts(played)
    for claim in CLAIMS:
        for what in claim(facts):
            yield claim.__name__, what


# Of any case.


def nothing_internal(facts):
    yield from facts.played.errors
    for turn in facts.turns:
        if turn.outcome in (None, Outcome.INTERNAL):
            yield f"turn {turn.turn}: {turn.outcome}"
    for told in facts.ends:
        if told.record.outcome in (None, SessionOutcome.INTERNAL):
            yield f"session: {told.record.outcome}"
    if facts.played.open_transports:
        yield f"{facts.played.open_transports} transports left open"


def each_session_begins_and_ends_once(facts):
    count = Counter(
        (t.record.event, (t.record.call, t.record.started_at)) for t in facts.played.sessions
    )
    for (event, at), n in count.items():
        if n != 1 or count["start", at] != 1 or count["end", at] != 1:
            yield f"{event} {n} times"


def sessions_add_up(facts):
    for told in facts.ends:
        session = told.record
        wire = facts.wire_of.get(session.session)
        turns = [t for t in facts.turns if t.session == session.session and t.call == session.call]
        if session.turns != len(turns) and session.session:
            yield f"{session.turns} turns, {len(turns)} recorded"
        responses = sum(len(t.response_ids) for t in turns)
        if session.session and session.responses != responses:
            yield f"{session.responses} responses, {responses} in turns"
        received = sum(t.audio_received_s for t in turns)
        if received > session.audio_received_s + 1e-6:
            yield f"{session.audio_received_s} s received, {received} s in turns"
        if session.stale_audio_s > session.audio_received_s + 1e-6:
            yield f"{session.stale_audio_s} s stale of {session.audio_received_s} s"
        if wire is None or facts.mangled:
            continue
        yield from _session_totals(facts, session, wire)


def _session_totals(facts, session, wire):
    usage, audio, errors, done = None, 0, Counter(), set()
    for each in wire.delivered:
        match each.type:
            case "response.done" if each.response_id not in done:
                done.add(each.response_id)
                usage = merge_usage(usage, each.fields["response"].get("usage"))
            case "conversation.item.input_audio_transcription.completed":
                usage = merge_usage(usage, {"transcription": each.fields["usage"]})
            case "response.output_audio.delta":
                audio += duration_ns(each, facts.workload.audio_format)
            case "error":
                errors[each.fields["error"]["code"]] += 1
    if session.usage != usage:
        yield f"usage {session.usage}, not {usage}"
    if abs(session.audio_received_s - audio / NS) > 1e-6:
        yield f"{session.audio_received_s} s received, not {audio / NS}"
    prices = load_prices()
    model, by = session.model, facts.workload.transcription or ""
    cost = None if usage is None else cost_usd(model, usage, prices, transcription_model=by)
    if cost is not None and abs((session.cost_usd or 0) - cost) > 1e-9:
        yield f"cost {session.cost_usd}, not {cost}"
    for code, n in session.errors.items():
        if n > errors[code] and code != "mcp_list_tools_failed":  # no error event
            yield f"error {code} {n} times, not {errors[code]}"


def sessions_end_as_they_did(facts):
    for told in facts.ends:
        session = told.record
        wire = facts.wire_of.get(session.session)
        if wire is None or facts.garbled:
            continue
        closed = wire.closed
        if session.outcome is SessionOutcome.ENDED:
            if not closed.by_us and session.code != "session_expired":
                yield f"ended, but {closed}"
        elif session.outcome is SessionOutcome.DISCONNECTED and closed.by_us:
            yield f"disconnected, but {closed}"


def marks_are_in_order(facts):
    for turn in facts.turns:
        marks = {name: at for name, at in turn.marks.items() if at is not None}
        for name in marks.keys() - set(MARKS):
            yield f"mark {name}"
        for a, b in LEGAL:
            if a in marks and b in marks and marks[a] > marks[b]:
                who = f"turn {turn.turn} ({turn.kind}, {turn.outcome})"
                yield f"{who}: {a} after {b} by {marks[a] - marks[b]}"
        if turn.written_at is not None and turn.written_at < turn.due_at and turn.kind == "speech":
            yield f"turn {turn.turn}: written before it was due"
        if facts.told[id(turn)].at < max(
            (at for name, at in marks.items() if name not in ("first_audible", "playback_end")),
            default=0,
        ):
            yield f"turn {turn.turn}: a mark after its end"
        for name, ns in turn.uncertainty.items():
            if ns < 0 or turn.marks.get(name) is None:
                yield f"turn {turn.turn}: uncertainty {name} {ns}"


LEGAL = (
    *(("speech_end", name) for name in ("commit", "detected", "created", "first_text")),
    *(("speech_end", name) for name in ("first_audio", "call", "first_audible")),
    *(("detected", "created"), ("created", "first_audio"), ("created", "done")),
    *(("commit", "detected"), ("detected", "commit"), ("created", "first_text")),
    *(("first_audio", "first_audible"), ("first_audio", "last_delta"), ("created", "call")),
    *(("call", "tool_output"), ("tool_output", "answer_audio"), ("first_audio", "answer_audio")),
    *(("answer_audio", "last_delta"), ("answer_audio", "playback_end")),
    *(("first_audible", "playback_end"), ("request", "created"), ("request", "first_audio")),
)


def no_interval_is_negative(facts):
    for turn in facts.turns:
        for name, value in turn.metrics.items():
            if value is not None and value < 0:
                yield f"turn {turn.turn}: {name} {value}"
        for name, value in turn.segments.items():
            if value < 0:
                yield f"turn {turn.turn}: segment {name} {value}"
        for gap in turn.gaps:
            if gap < 0:
                yield f"turn {turn.turn}: gap {gap}"
        for name in ("audio_heard_s", "audio_received_s", "overtalk_s", "leaked_s", "own_delay_s"):
            if getattr(turn, name) < 0:
                yield f"turn {turn.turn}: {name}"
        for call in turn.tools:
            if call.answered_at is not None and call.answered_at < (call.called_at or 0):
                yield f"turn {turn.turn}: answered before it was called"


def segments_add_up(facts):
    for turn in facts.turns:
        audible = turn.metrics.get("ttfa_audible")
        if turn.kind is Kind.UNSOLICITED:
            continue
        if audible is None:
            if turn.segments:
                yield f"turn {turn.turn}: segments without ttfa_audible"
        elif abs(sum(turn.segments.values()) - audible) > 1e-6:
            yield f"turn {turn.turn}: {turn.segments} are not {audible}"


def no_more_is_heard_than_came(facts):
    for turn in facts.turns:
        if turn.audio_heard_s + turn.overtalk_s > turn.audio_received_s + 1e-6:
            heard = f"{turn.audio_heard_s} + {turn.overtalk_s}"
            yield f"turn {turn.turn}: {heard} of {turn.audio_received_s}"
        if turn.leaked_s > turn.overtalk_s + 1e-6:
            yield f"turn {turn.turn}: leaked {turn.leaked_s} of {turn.overtalk_s}"
        done = turn.outcome is Outcome.COMPLETED and facts.workload.listen == "playback"
        flags = ODD & set(turn.flags)
        if done and not flags and abs(turn.audio_heard_s - turn.audio_received_s) > 1e-6:
            heard = f"{turn.audio_heard_s} of {turn.audio_received_s} s"
            yield f"turn {turn.turn}: completed, {heard} heard"


def tapes_tell_the_same(facts):
    if len(facts.played.refolded) != len(facts.turns):
        yield "turns without tapes"
    for was, again in facts.played.refolded:
        for name in was.__struct_fields__:
            told, folded = getattr(was, name), getattr(again, name)
            if told != folded:
                yield f"turn {was.turn}: {name} {told!r}, again {folded!r}"


def every_response_is_counted_once(facts):
    count = Counter((t.session, name) for t in facts.turns for name in t.response_ids)
    for (_, name), n in count.items():
        if n != 1:
            yield f"{name} {n} times"
    ours = {name for _, name in count}
    if facts.mangled:
        return
    created = {name for name, truth in facts.truth.items() if truth.created_out}
    if (foreign := ours - created) and not facts.faults & {"drop", "delay"}:
        yield f"never created: {sorted(foreign)}"
    for wire in facts.played.wires:
        told = {each.response_id for each in wire.delivered if each.type == "response.created"}
        if missing := told - ours:
            yield f"not recorded: {sorted(missing)}"


def what_was_sent_is_true(facts):
    """Frames sent, and when the caller's voice ended: by what was written."""
    frame = facts.workload.frame_ms / 1000
    for told in facts.ends:
        wire = facts.wire_of.get(told.record.session)
        if wire is not None:
            frames = sum(name == "input_audio_buffer.append" for _, name, _, _ in wire.written)
            if abs(told.record.audio_sent_s - frames * frame) > 1e-6:
                yield f"{told.record.audio_sent_s} s sent, not {frames * frame}"
    for turn in facts.turns:
        end, commit = turn.marks.get("speech_end"), turn.marks.get("commit")
        if end is None:
            continue
        tail, length = facts.spoken(turn)
        if commit is not None and commit - end != tail:
            yield f"turn {turn.turn}: voice ended {commit - end} ns before the commit, not {tail}"
        began = turn.due_at - facts.workload.frame_ms * 1_000_000
        late = end - (began + length - tail)
        if not 0 <= late <= facts.slack:
            yield f"turn {turn.turn}: its voice ended {late} ns late"


def interruptions_are_true(facts):
    for turn in facts.turns:
        wire = facts.wire_of.get(turn.session)
        cut_in, cancel = turn.marks.get("barge_in"), turn.marks.get("cancel")
        if wire is None:
            continue
        cancels = {at for at, name, _, _ in wire.written if name == "response.cancel"}
        if cancel is not None and cancel not in cancels:
            yield f"turn {turn.turn}: no response.cancel was written at {cancel}"
        if (cut_in is not None) != (Flag.INTERRUPTED in turn.flags):
            yield f"turn {turn.turn}: barge_in {cut_in}, {turn.flags}"
        if cut_in is None:
            continue
        stopped = turn.marks.get("playback_end")
        if stopped is not None and stopped > cut_in:
            yield f"turn {turn.turn}: heard {stopped - cut_in} ns after it was talked over"


# Of cases whose messages arrived as they were.


def clean(claim):
    def claimed(facts):
        if not facts.garbled:
            yield from claim(facts)

    claimed.__name__ = claim.__name__
    return claimed


def readable(claim):
    """Of cases whose messages may have got lost, or come twice or late."""

    def claimed(facts):
        if not facts.mangled:
            yield from claim(facts)

    claimed.__name__ = claim.__name__
    return claimed


@clean
def marks_are_true(facts):
    for turn in facts.turns:
        if ODD & set(turn.flags):
            continue
        cut_in = turn.marks.get("barge_in") or 2**63
        audio = [
            each
            for each in facts.of(turn, "response.output_audio.delta")
            if duration_ns(each, facts.workload.audio_format)
        ]
        heard = [each for each in audio if each.at <= cut_in]
        yield from _mark(turn, "created", facts.of(turn, "response.created")[:1])
        yield from _mark(turn, "first_audio", heard[:1])
        yield from _mark(turn, "last_delta", audio[-1:])
        yield from _mark(turn, "done", facts.of(turn, "response.done")[-1:])
        text = facts.of(
            turn, "response.output_text.delta", "response.output_audio_transcript.delta"
        )
        yield from _mark(turn, "first_text", text[:1])


def _mark(turn, name, messages):
    at = turn.marks.get(name)
    if not messages:
        if at is not None and not (name == "done" and turn.outcome is Outcome.FAILED):
            yield f"turn {turn.turn} ({turn.outcome}): {name} never came"
        return
    if at is None:
        yield f"turn {turn.turn} ({turn.outcome} {turn.phase}): {name} came, unmarked"
        return
    (message,) = messages
    slack = turn.uncertainty.get(name, 0)
    if name == "last_delta" and name not in turn.uncertainty:
        slack = message.slack
    if not at - slack <= message.came_at <= at:
        yield f"turn {turn.turn}: {name} {at - message.came_at} ns late, uncertain by {slack}"


@readable
def audio_and_usage_are_true(facts):
    for turn in facts.turns:
        audio = sum(
            duration_ns(each, facts.workload.audio_format)
            for each in facts.of(turn, "response.output_audio.delta")
        )
        if abs(turn.audio_received_s - audio / NS) > 1e-6:
            yield f"turn {turn.turn}: {turn.audio_received_s} s of audio, not {audio / NS}"
        usage = None
        for each in {each.response_id: each for each in facts.of(turn, "response.done")}.values():
            usage = merge_usage(usage, each.fields["response"].get("usage"))
        ours = {k: v for k, v in (turn.usage or {}).items() if k != "transcription"} or None
        if ours != usage:
            yield f"turn {turn.turn}: usage {ours}, not {usage}"


@clean
def outcomes_are_true(facts):
    for turn in facts.turns:
        done = facts.of(turn, "response.done")
        statuses = [each.fields["response"]["status"] for each in done] or [None]
        truth = facts.truth.get(turn.response_ids[-1]) if turn.response_ids else None
        yield from (
            f"turn {turn.turn}: {turn.outcome}, {what}"
            for what in _wrong_outcome(facts, turn, statuses, truth)
        )


def _wrong_outcome(facts, turn, statuses, truth):
    if ODD & set(turn.flags):
        return
    status = statuses[-1]
    cut_in = turn.marks.get("barge_in") is not None
    match turn.outcome:
        case Outcome.COMPLETED:
            if set(statuses) != {"completed"}:
                yield f"statuses {statuses}"
            if truth is not None and {"fail", "stop", "no-answer"} & {
                fault.partition(":")[0] for fault in truth.faults
            }:
                yield f"faults {truth.faults}"
        case Outcome.CANCELLED:
            if not cut_in and turn.marks.get("cancel") is None:
                yield "but nobody did"
        case Outcome.FAILED | Outcome.RATE_LIMITED:
            expired = turn.code == "session_expired"
            wire = facts.wire_of.get(turn.session)
            refused = wire and any(each.type == "error" for each in wire.delivered)
            if status not in ("failed", "cancelled") and not (
                expired or refused or turn.code == "tool_loop"
            ):
                yield f"status {status}, code {turn.code}"
        case Outcome.INCOMPLETE:
            if status != "incomplete":
                yield f"status {status}"
        case Outcome.DISCONNECTED:
            wire = facts.wire_of.get(turn.session)
            if wire is not None and (wire.closed is None or wire.closed.by_us):
                yield f"{wire.closed}"
        case Outcome.CUT:
            late = turn.kind is Kind.UNSOLICITED
            if facts.case.killed_at is None and not _hung_up(facts) and not late:
                yield "but nobody hung up"
    if status == "failed" and turn.outcome in (Outcome.COMPLETED, Outcome.INCOMPLETE):
        yield "but it failed"


def _hung_up(facts):
    return facts.workload.patience is not None or any(m[0] == "leave" for m in facts.case.moves)


@clean
def timeouts_are_true(facts):
    for turn in facts.turns:
        ended = facts.told[id(turn)].at
        origin = {
            Phase.DETECTION: turn.marks.get("speech_end"),
            Phase.RESPONSE: turn.marks.get("created") or turn.due_at,
            Phase.STALL: turn.marks.get("last_delta"),
            Phase.FIRST_AUDIO: turn.marks.get("detected") or turn.marks.get("request"),
            Phase.TOOL: max((c.called_at or 0 for c in turn.tools), default=None),
        }
        if turn.outcome is Outcome.TIMEOUT:
            begin, limit = origin.get(turn.phase), getattr(facts.limits, str(turn.phase))
            if begin is None:
                if turn.phase is not Phase.FIRST_AUDIO:
                    yield f"turn {turn.turn}: timeout {turn.phase} of nothing"
            elif turn.phase is not Phase.TOOL and ended < begin + limit:
                yield f"turn {turn.turn}: timeout {turn.phase} after {(ended - begin) / NS} s"
        elif turn.phase is not None:
            yield f"turn {turn.turn}: {turn.outcome} has a phase"
        marks = turn.marks
        if turn.tools or turn.marks.get("barge_in") or Flag.PREMATURE in turn.flags:
            continue
        for phase, a, b in (
            (Phase.DETECTION, "speech_end", "detected"),
            (Phase.FIRST_AUDIO, "detected", "first_audio"),
            (Phase.FIRST_AUDIO, "request", "first_audio"),
            (Phase.RESPONSE, "created", "done"),
        ):
            if (phase, a) == (Phase.FIRST_AUDIO, "request") and turn.kind == "speech":
                continue
            if phase is Phase.DETECTION and facts.workload.turn_detection == "none":
                continue
            begin, end = marks.get(a), marks.get(b)
            limit = getattr(facts.limits, str(phase))
            if begin is not None and end is not None and end > begin + limit + facts.slack:
                came = f"{b} came {(end - begin) / NS} s after {a}"
                yield f"turn {turn.turn} ({turn.outcome}): {came}, no timeout"


@readable
def tools_are_true(facts):
    for turn in facts.turns:
        called = {}
        for each in facts.of(
            turn, "response.function_call_arguments.done", "response.output_item.done"
        ):
            item = each.fields.get("item", each.fields)
            if item.get("status") == "incomplete":
                continue
            if item.get("type") == "mcp_call":
                called[item["id"]] = item["name"]
            elif item.get("call_id") and item.get("type") in (
                "function_call",
                "response.function_call_arguments.done",
            ):
                called[item["call_id"]] = item.get("name") or called.get(item["call_id"])
        ours = {call.call_id: call.name for call in turn.tools if call.called_at is not None}
        premature = Flag.PREMATURE in turn.flags
        if ours != called and not premature:
            yield f"turn {turn.turn}: calls {ours}, not {called}"


@clean
def responses_belong_to_what_they_answer(facts):
    """Push to talk: a response answers the commit that the endpoint had read last."""
    where = {name: turn for turn in facts.turns for name in turn.response_ids}
    commits = {}
    for wire in facts.played.wires:
        for at, name, read_at, _ in wire.written:
            if name == "input_audio_buffer.commit":
                commits[wire.session_id, read_at] = at
    for truth in facts.played.truths:
        turn = where.get(truth.response_id)
        if turn is None or facts.gave_up_before(turn):
            continue
        written = commits.get((truth.session_id, truth.said.commit_in))
        asked = truth.kind == "speech" and truth.turn_detection == "none" and written is not None
        if asked and turn.marks.get("commit") != written:
            yield f"{truth.response_id} answers another turn than {turn.turn} ({turn.kind})"
        if truth.kind == "greeting" and turn.kind == "text" and not facts.workload.noise:
            yield f"{truth.response_id}, a greeting, is in a turn of kind {turn.kind}"


@clean
def faultless_endpoints_do_not_deviate(facts):
    if "stale" in facts.faults or facts.always_beta:
        return
    for told in facts.ends:
        for kind, places in told.record.scorecard.items():
            if kind != "second_answer":
                yield f"{kind}: {places}"


@clean
def one_answer_is_asked_for_at_a_time(facts):
    if facts.workload.turn_detection != "none" or "audio" in facts.case.session:
        return  # an endpoint that detects turns may answer while we ask
    if any(turn.outcome in (Outcome.TIMEOUT, Outcome.ABANDONED) for turn in facts.turns):
        return
    for wire in facts.played.wires:
        for each in wire.delivered:
            if each.type == "error" and "active_response" in each.fields["error"]["code"]:
                yield each.fields["error"]["event_id"]


@clean
def flags_are_true(facts):
    for turn in facts.turns:
        if facts.gave_up_before(turn) or facts.workload.noise:
            continue
        premature = Flag.PREMATURE in turn.flags
        if facts.workload.turn_detection == "none" and premature:
            yield f"turn {turn.turn}: premature, push to talk"
        if turn.kind is Kind.UNSOLICITED and facts.workload.turn_detection == "none":
            yield f"turn {turn.turn}: nobody asked for {turn.response_ids}"
        if Flag.SECOND_ANSWER in turn.flags:
            yield f"turn {turn.turn}: second answer {turn.response_ids}"


CLAIMS = (
    nothing_internal,
    each_session_begins_and_ends_once,
    sessions_add_up,
    sessions_end_as_they_did,
    marks_are_in_order,
    no_interval_is_negative,
    segments_add_up,
    no_more_is_heard_than_came,
    tapes_tell_the_same,
    every_response_is_counted_once,
    what_was_sent_is_true,
    interruptions_are_true,
    marks_are_true,
    audio_and_usage_are_true,
    outcomes_are_true,
    timeouts_are_true,
    tools_are_true,
    responses_belong_to_what_they_answer,
    faultless_endpoints_do_not_deviate,
    one_answer_is_asked_for_at_a_time,
    flags_are_true,
)
