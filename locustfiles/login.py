"""
A login before the web UI: whoever may open its port could start a load test, and have you pay it.

    export LOCUST_WEB_USER=voice LOCUST_WEB_PASSWORD=...
    locust -f locustfiles/realtime.py,locustfiles/login.py --web-login

``/metrics`` stays open to Prometheus.
"""

import os
import secrets
from hmac import compare_digest

from flask import redirect, request, session, url_for
from flask_login import UserMixin, login_user
from locust import events


class Guest(UserMixin):
    def __init__(self, name):
        self.id = name


@events.init.add_listener
def ask_for_a_password(web_ui=None, **_):
    if web_ui is None or not web_ui.web_login:
        return
    user, password = (os.environ.get(f"LOCUST_WEB_{name}") for name in ("USER", "PASSWORD"))
    if not user or not password:
        raise SystemExit("--web-login needs LOCUST_WEB_USER and LOCUST_WEB_PASSWORD")

    def submit():
        given = f"{request.form.get('username')}\n{request.form.get('password')}"
        if compare_digest(given.encode(), f"{user}\n{password}".encode()):
            login_user(Guest(user))
            return redirect(url_for("locust.index"))
        session["auth_error"] = "Unknown user or wrong password"
        return redirect(url_for("locust.login"))

    web_ui.app.config["SECRET_KEY"] = secrets.token_bytes(32)
    web_ui.app.add_url_rule("/login_submit", "login_submit", submit, methods=["POST"])
    web_ui.login_manager.user_loader(lambda name: Guest(name) if name == user else None)
    web_ui.auth_args = {"username_password_callback": "/login_submit"}
