"""Alerts reach real servers on this machine: mail over SMTP, Slack's payload and JSON over HTTP; or say why not."""

from __future__ import annotations

import email
import email.policy
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.receivers import Receiver, free_port

from swath.tracking.alerts import Alerts
from swath.tracking.clock import SYSTEM_CLOCK
from swath.tracking.runlog.history import read_records
from swath.tracking.runlog.records import Alert

SMTP = pytest.importorskip("aiosmtpd.controller")
pytest.importorskip("apprise")
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

TOKEN = "TIiajkdnlazkcOXrIdevi7"
UNREACHED = pytest.mark.filterwarnings("ignore:an alert did not reach:RuntimeWarning")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def open_alerts() -> Iterator[Callable[..., Sent]]:
    made: list[Sent] = []

    def open_them(*targets: str) -> Sent:
        made.append(Sent(targets))
        return made[-1]

    yield open_them
    for sent in made:
        sent.alerts.close(0)


class Sent:
    """Alerts to `targets`, and what was recorded of them."""

    def __init__(self, targets: tuple[str, ...]) -> None:
        self.records: list[Alert] = []
        self.alerts = Alerts(targets, SYSTEM_CLOCK, self.records.append)
        self.send = self.alerts.send

    def fate(self) -> Alert:
        """The record of the only alert, once it is known."""
        self.alerts.close(30)
        (record,) = self.records
        return record


OpenAlerts = Callable[..., Sent]


def mail_url(port: int) -> str:
    return (
        f"mailto://runner:pass-word-7@localhost:{port}"
        "?smtp=127.0.0.1&mode=insecure&from=runs@example.org&to=you@example.org"
    )


class Mailbox:
    """Handles what an SMTP server is handed."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], email.message.EmailMessage]] = []
        self.logins: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, email.message.EmailMessage)
        self.mails.append((envelope.rcpt_tos, mail))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        from aiosmtpd.smtp import AuthResult

        self.logins.append(data.password)
        return AuthResult(success=data.password == b"pass-word-7", handled=False)


@pytest.fixture
def mail_server() -> Iterator[tuple[Mailbox, int]]:
    box, port = Mailbox(), free_port()
    server = SMTP.Controller(
        box, hostname="127.0.0.1", port=port, authenticator=box.authenticate, auth_require_tls=False
    )
    server.start()
    yield box, port
    server.stop()


def test_a_mail_server_gets_title_and_text(mail_server: tuple[Mailbox, int], open_alerts: OpenAlerts) -> None:
    box, port = mail_server
    sent = open_alerts(mail_url(port))
    sent.send("High loss: 3 < 4 & é", "loss is 3\n<b>not bold</b>", "error")
    assert sent.fate().delivered, sent.records
    ((recipients, mail),) = box.mails
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert recipients == ["you@example.org"]
    assert mail["Subject"] == "High loss: 3 < 4 & é"
    assert body.get_content().splitlines()[:2] == ["loss is 3", "<b>not bold</b>"]
    assert box.logins == [b"pass-word-7"]


def test_slack_gets_its_payload(receiver: Receiver, open_alerts: OpenAlerts, monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{receiver.port}/services")
    sent = open_alerts(f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}/#training")
    sent.send("High loss", "loss is 7", "warn")
    assert (sent.fate().delivered, sent.records[0].error) == (True, "")
    ((path, payload),) = receiver.posts
    (attachment,) = payload["attachments"]
    assert path == f"/services/T1JJ3T3L2/A1BRTD4JD/{TOKEN}"
    assert payload["channel"] == "#training"
    assert (attachment["title"], attachment["text"]) == ("High loss", "loss is 7")
    assert "icon_url" not in payload


def test_any_http_receiver_gets_level_title_and_text(receiver: Receiver, open_alerts: OpenAlerts) -> None:
    sent = open_alerts(f"json://127.0.0.1:{receiver.port}/hook")
    sent.send("Done", "accuracy is 90%")
    sent.send("High loss", "loss is 7", "WARN")
    sent.send("Broken", "loss is NaN", "ERROR")
    sent.alerts.close(30)
    assert [(post["type"], post["title"], post["message"]) for _, post in receiver.posts] == [
        ("info", "Done", "accuracy is 90%"),
        ("warning", "High loss", "loss is 7"),
        ("failure", "Broken", "loss is NaN"),
    ]
    assert [(record.title, record.delivered) for record in sent.records] == [
        ("Done", True),
        ("High loss", True),
        ("Broken", True),
    ]


def test_an_alert_of_a_title_alone_is_delivered(
    receiver: Receiver, mail_server: tuple[Mailbox, int], open_alerts: OpenAlerts
) -> None:
    box, port = mail_server
    sent = open_alerts(f"json://127.0.0.1:{receiver.port}/hook", mail_url(port))
    sent.send("Training is done", "")
    record = sent.fate()
    assert (record.delivered, record.error, record.text) == (True, "", "")
    assert receiver.posts[0][1]["title"] == "Training is done"
    assert box.mails[0][1]["Subject"] == "Training is done"


@UNREACHED
@pytest.mark.parametrize("url", ["json://127.0.0.1:{port}/secret-path", "mailto"])
def test_a_server_that_is_down_leaves_a_record_that_says_so(open_alerts: OpenAlerts, url: str) -> None:
    port = free_port()
    sent = open_alerts(mail_url(port) if url == "mailto" else url.format(port=port))
    sent.send("t", "x")
    record = sent.fate()
    assert not record.delivered
    assert str(port) in record.error
    assert "onnection" in record.error
    assert "secret-path" not in record.error
    assert "pass-word-7" not in record.error


@UNREACHED
def test_a_server_that_refuses_leaves_a_record_that_says_so(open_alerts: OpenAlerts) -> None:
    refusing = Receiver(b"no", 403)
    sent = open_alerts(f"json://127.0.0.1:{refusing.port}/hook")
    sent.send("t", "x")
    try:
        assert "403" in sent.fate().error
    finally:
        refusing.close()


def test_a_server_that_hangs_holds_up_neither_the_caller_nor_the_end_of_the_run(
    receiver: Receiver, open_alerts: OpenAlerts
) -> None:
    receiver.released.clear()
    sent = open_alerts(f"json://127.0.0.1:{receiver.port}?rto=60")
    sent.send("first", "x")
    sent.send("second", "x")
    assert receiver.asked.wait(30)
    assert sent.records == []
    sent.alerts.close(0.01)
    assert [(record.title, record.delivered, record.error) for record in sent.records] == [
        ("first", False, "not delivered in time"),
        ("second", False, "not delivered in time"),
    ]
    receiver.released.set()
    later = open_alerts(f"json://127.0.0.1:{receiver.port}")
    later.send("third", "x")
    assert later.fate().delivered
    assert len(sent.records) == 2, "an alert is recorded once"
    assert [post["title"] for _, post in receiver.posts] == ["first", "third"], "what was given up is not sent later"


def test_an_invalid_target_is_recorded_without_its_secrets_warned_of_once_and_hinders_no_other(
    receiver: Receiver, open_alerts: OpenAlerts
) -> None:
    sent = open_alerts("slack://sesame-1/sesame-2", f"json://127.0.0.1:{receiver.port}", "sesame-3")
    sent.send("a", "x")
    sent.send("b", "x")
    with pytest.warns(RuntimeWarning, match="did not reach") as caught:
        sent.alerts.close(30)
    assert [str(warning.message).count("slack://***") for warning in caught] == [1, 0]
    for record in sent.records:
        assert record.delivered
        assert record.error.count("not the URL of a target") == 2
        assert "slack://***" in record.error
    assert "sesame" not in repr(sent.records) + repr([str(warning.message) for warning in caught])


@UNREACHED
def test_what_a_service_says_is_kept_without_the_parts_of_the_url(open_alerts: OpenAlerts) -> None:
    sent = open_alerts(f"mailto://runner:q%26w3rty@localhost:{free_port()}?smtp=127.0.0.1&to=sesame@example.org")
    sent.send("t", "x")
    error = sent.fate().error
    assert error.startswith("mailto://localhost:")
    for secret in ("runner", "q%26w3rty", "q&w3rty", "sesame"):
        assert secret not in error


FORK = """
import json, os, sys
from swath.tracking.alerts import Alerts
from swath.tracking.clock import SYSTEM_CLOCK
records = []
alerts = Alerts([sys.argv[1]], SYSTEM_CLOCK, lambda record: records.append([record.title, record.delivered]))
alerts.send("parent", "x")
sys.stdin.readline()
child = os.fork()
if child == 0:
    alerts.close(0)
    alerts.send("parent", "is held back in the child too")
    alerts.send("child", "x")
    os.write(1, b"forked" + os.linesep.encode())
alerts.close(30)
os.write(1, (json.dumps(["child" if child == 0 else "parent", records]) + os.linesep).encode())
os._exit(0) if child == 0 else os.waitpid(child, 0)
"""


def test_a_forked_child_delivers_its_own_alerts_and_leaves_the_parents_alone(receiver: Receiver) -> None:
    receiver.released.clear()
    command = [sys.executable, "-W", "ignore", "-c", FORK, f"json://127.0.0.1:{receiver.port}?rto=60"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert receiver.asked.wait(60)
        program.stdin.write("go\n")
        program.stdin.flush()
        assert program.stdout.readline() == "forked\n"
        receiver.released.set()
        output, _ = program.communicate(timeout=60)
    assert sorted(json.loads(line) for line in output.splitlines()) == [
        ["child", [["child", True]]],
        ["parent", [["parent", True]]],
    ]
    assert sorted(post["title"] for _, post in receiver.posts) == ["child", "parent"]


def test_a_program_whose_alert_hangs_ends_all_the_same(receiver: Receiver) -> None:
    receiver.released.clear()
    code = (
        "import sys\nfrom swath.tracking.alerts import Alerts\nfrom swath.tracking.clock import SYSTEM_CLOCK\n"
        "alerts = Alerts([sys.argv[1]], SYSTEM_CLOCK, print)\nalerts.send('t', 'x')\n"
        "sys.stdin.readline()\nalerts.close(0.01)\n"
    )
    command = [sys.executable, "-c", code, f"json://127.0.0.1:{receiver.port}?rto=600"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert receiver.asked.wait(60)
        output, _ = program.communicate("go\n", timeout=60)
    assert program.returncode == 0
    assert "not delivered in time" in output


def test_the_programs_own_log_gets_nothing_of_the_urls(
    receiver: Receiver,
    open_alerts: OpenAlerts,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    down, up = (f"json://127.0.0.1:{port}/sesame-1" for port in (free_port(), receiver.port))
    sent = open_alerts("slack://sesame-2/sesame-3", down, up)
    sent.send("t", "x")
    with pytest.warns(RuntimeWarning):
        assert sent.fate().delivered
    out, err = capfd.readouterr()
    assert "sesame" not in caplog.text + out + err


RUN = """
import sys
import swath.tracking as tracking
from swath.tracking.runlog.history import read_records
run = tracking.init(id="r1")
{code}
folder = run._run_dir
run.finish()
print([(r.title, r.delivered) for r in read_records(folder, 1) if type(r).__name__ == "Alert"])
"""


def run_program(code: str, target: str, folder: Path) -> tuple[str, str]:
    """What a program with a run prints, which must end well, to stdout and stderr."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(code=code)],
        env={**kept, "SWATH_DIR": str(folder), "SWATH_ALERTS": target},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


def test_a_run_that_ends_with_an_alert_on_its_way_waits_for_it_and_records_it(
    receiver: Receiver, tmp_path: Path
) -> None:
    """What becomes of an alert is recorded under the log's lock, which the end of the run holds."""
    target = f"json://127.0.0.1:{receiver.port}/hook"
    out, err = run_program("run.alert('t', 'x')", target, tmp_path)
    assert out == "[('t', True)]\n", err
    assert [post["title"] for _, post in receiver.posts] == ["t"]


def test_a_run_that_ends_with_a_dead_receiver_says_so_once_and_blames_no_slowness(tmp_path: Path) -> None:
    out, err = run_program("run.alert('t', 'x')", f"json://127.0.0.1:{free_port()}/hook", tmp_path)
    assert out == "[('t', False)]\n"
    assert err.count("RuntimeWarning: an alert did not reach") == 1
    assert "could not be recorded" not in err
    assert "in time" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.log")).decode(errors="replace")


def test_a_signal_in_the_middle_of_a_write_loses_no_alert(receiver: Receiver, tmp_path: Path) -> None:
    """The handler finishes the run on the thread that holds the log's lock; the courier needs that lock."""
    code = """
import os, signal, threading
from swath.tracking.alerts import _all
run.alert("t", "x")
(alerts,) = _all
answered = threading.Event()
settle = alerts._settle
alerts._settle = lambda *what: (answered.set(), settle(*what))
with run._recorder.lock:
    assert answered.wait(60)
    run.finish_by(signal.SIGTERM)
"""
    out, err = run_program(code, f"json://127.0.0.1:{receiver.port}/hook", tmp_path)
    assert out.splitlines()[-1] == "[('t', True)]", err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_an_alert_of_a_child_that_multiprocessing_forked_is_delivered_before_the_child_ends(
    receiver: Receiver, tmp_path: Path
) -> None:
    code = """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=run.alert, args=("of the child", "x"))
child.start()
child.join()
"""
    out, err = run_program(code, f"json://127.0.0.1:{receiver.port}/hook", tmp_path)
    assert out == "[('of the child', True)]\n", err
    assert [post["title"] for _, post in receiver.posts] == ["of the child"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_while_the_courier_imports_leaves_a_child_that_can_import(receiver: Receiver, tmp_path: Path) -> None:
    code = """
import os, signal
run.alert("t", "x")
sys.setswitchinterval(1e-5)
while "apprise" not in sys.modules:
    pass
if os.fork() == 0:
    signal.alarm(60)
    import apprise
    apprise.Apprise().add("json://localhost")
    os._exit(0)
assert os.wait()[1] == 0
"""
    out, err = run_program(code, f"json://127.0.0.1:{receiver.port}/hook", tmp_path)
    assert out == "[('t', True)]\n", err


def test_an_alert_in_the_last_line_of_a_program_is_delivered(receiver: Receiver, tmp_path: Path) -> None:
    """The run is finished while Python ends, when modules can no longer say that they want to hear of it."""
    program = "import sys; from swath import tracking; tracking.init(id='r1').alert('done')"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWATH_", "WANDB_"))}
    env = {**kept, "SWATH_DIR": str(tmp_path), "SWATH_ALERTS": f"json://127.0.0.1:{receiver.port}/hook"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], env=env, timeout=120, check=True)
    assert [post["title"] for _, post in receiver.posts] == ["done"]
    (record,) = (r for r in read_records(tmp_path / "runs/r1", 1) if isinstance(r, Alert))
    assert (record.delivered, record.error) == (True, "")
