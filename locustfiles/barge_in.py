"""
Callers who talk over answers: does the endpoint fall silent, and answer what was said last?

    locust -f locustfiles/barge_in.py -u 20

``interrupt_stop`` is how long audio of the old answer still came, ``overtalk`` how much of it. With
``--turn-detection server_vad`` the endpoint has to notice by itself; with none it is told.
"""

from locust import between, task

from harness.swarm import RealtimeUser


class Caller(RealtimeUser):
    wait_time = between(1, 3)

    @task
    def change_my_mind(self):
        with self.call() as call:
            call.say("What's on the menu?", listen=0.8)  # hears 0.8 s of the answer …
            call.say("Hi, I'd like a table for two tonight.", listen=1.5)  # … and talks over it
            call.say("Actually, make it nine.")  # once more, and hears this one out
