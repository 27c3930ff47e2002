import logging

import ga

from harness.realtime.session import Session
from harness.swarm.once import Once


def test_what_every_session_would_say_is_said_once(caplog):
    logger = logging.getLogger("harness.realtime")
    once = Once()
    logger.addFilter(once)
    try:
        for _ in range(3):
            session = Session()
            session.opened()
            for name in ("response.audio.delta", "response.audio.done"):
                session.receive(ga.message(name, response_id="r"))
    finally:
        logger.removeFilter(once)

    assert len(caplog.records) == 2
