"""
Callers in a noisy place: does the endpoint still notice when they have finished?

    locust -f locustfiles/noise.py -u 20 --turn-detection server_vad --noise babble --snr 10dB

``--noise`` is white, babble or a file of your own; ``--snr`` says how far voices stand out of it.
The end of speech is known from the clean audio, so that it shows where the endpoint notices it
late, not at all, or cuts in. The embedded simulator hears what is louder than the noise: of babble
it takes a near voice for the caller's now and then, and cuts in.
"""

from locust import between, task

from harness.swarm import RealtimeUser


class Caller(RealtimeUser):
    wait_time = between(1, 3)
    options = {"noise": "babble", "snr": "10dB"}

    @task
    def talk(self):
        with self.call() as call:
            while call.goes_on:  # --turns
                call.say()
