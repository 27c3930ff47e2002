"""
Callers who dial and say nothing, beside some who talk: what do idle sessions take from others?

    locust -f locustfiles/silent_callers.py -u 50 --call-length 2m --turn-detection server_vad

Some endpoints speak up after a while (turns of kind ``unsolicited``), some hang up, some mistake
``--noise`` for speech. How those fare who talk is the scenario ``Caller.talk``: compare it with
``steady.py``.
"""

from locust import between, task

from harness.swarm import RealtimeUser


class Silent(RealtimeUser):
    weight = 4
    wait_time = between(1, 3)
    options = {"call_length": "30s"}

    @task
    def say_nothing(self):
        with self.call() as call:
            while call.goes_on:  # --call-length
                call.pause(1)


class Caller(RealtimeUser):
    weight = 1
    wait_time = between(1, 3)

    @task
    def talk(self):
        with self.call() as call:
            while call.goes_on:
                call.say()
