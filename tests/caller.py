"""One call, and the records it leaves."""

import random

from harness.call import Call
from harness.corpus import load_corpus
from harness.noise import in_noise
from harness.options import parse_workload
from harness.realtime.endpoint import parse_endpoint
from harness.records import Identity

__all__ = ["Caller"]


class Caller:
    """A call to an endpoint with these options; ``with caller.call as call`` makes it."""

    def __init__(
        self,
        url,
        *,
        seed=1,
        stopping=lambda: False,
        tools=(),
        api_key="",
        purse=None,
        on_limits=None,
        intended=None,
        length=None,
        **options,
    ):
        self.turns, self.sessions = [], []
        workload = parse_workload({"pause": "10ms", "listen": "done", **options})
        self.call = Call(
            parse_endpoint(
                url,
                model=workload.model,
                dialect=workload.dialect,
                api_key=api_key,
                headers=workload.headers,
                ca_file=workload.ca_file,
                auth=workload.auth,
            ),
            workload,
            corpus=in_noise(load_corpus(), workload.noise, workload.snr),
            identity=Identity(run="r", caller=seed, model=workload.model),
            rng=random.Random(seed),
            on_turn=self.turns.append,
            on_session=self.sessions.append,
            stopping=stopping,
            tools=tools,
            purse=purse,
            on_limits=on_limits,
            intended=intended,
            length=length,
        )

    @property
    def ended(self):
        """The record of the session that ended last."""
        return self.sessions[-1]
