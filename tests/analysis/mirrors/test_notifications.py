"""What somebody who does not watch is told, and how."""

import json
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from analysis.mirrors import notifications
from analysis.results import printed
from search.run.confirmation import winner
from trainables.written import plural


def events(run, heard, is_end=False):
    return [record["event"] for record in notifications.news(run, heard, is_end)]


def test_what_was_there_at_first_is_no_news(run, trial):
    assert events(run([trial(0, (0.5,)), trial(1, (), "failed")]), None) == []


def test_the_first_failure_is_told_once(run, trial):
    before, one, two = run([]), run([trial(0, (), "failed")]), run([trial(0, (), "failed"), trial(1, (), "diverged")])
    assert events(one, before) == ["failure"]
    assert events(two, one) == []


def test_a_new_best_is_told_and_no_equal_or_unfinished_one(run, trial):
    one = run([trial(0, (0.5,))])
    assert events(one, run([])) == ["best"]
    assert events(run([trial(0, (0.5,)), trial(1, (0.5,))]), one) == []
    assert events(run([trial(0, (0.5,)), trial(1, (0.9,), "stopped")]), one) == []
    assert events(run([trial(0, (0.5,)), trial(1, (0.9,), source="confirm")]), one) == []
    (record,) = notifications.news(run([trial(0, (0.5,)), trial(1, (0.6,), lr=0.2)]), one, False)
    assert record["trial"]["val_accuracy"] == 0.6
    assert record["text"].endswith("60.00 % validation accuracy")


@pytest.mark.parametrize(("total", "status"), [(1, "complete"), (2, "interrupted")])
def test_the_end_says_whether_everything_was_tried(run, trial, total, status):
    (record,) = notifications.news(run([trial(0, (0.5,))], total=total), None, True)
    assert record["status"] == status
    assert record["text"].startswith(f"lr_sweep-digits: {status}, 1 of {plural(total, 'trial')} ended, best ")


class Server(BaseHTTPRequestHandler):
    status = 200

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = HTTPServer(("127.0.0.1", 0), type("Fresh", (Server,), {}))
    server.bodies = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_address_gets_one_line_of_json(server):
    notifications.send(f"http://127.0.0.1:{server.server_port}/hook", {"event": "end"})
    assert [json.loads(body) for body in server.bodies] == [{"event": "end"}]


def test_an_address_that_refuses_is_an_error_for_the_follower_to_report(server):
    server.RequestHandlerClass.status = 500
    with pytest.raises(OSError, match="500"):
        notifications.send(f"http://127.0.0.1:{server.server_port}/hook", {"event": "end"})


def test_a_command_gets_the_line_on_its_stdin(tmp_path):
    script = f"import sys; open({str(tmp_path / 'heard')!r}, 'w').write(sys.stdin.read())"
    notifications.send(f'{sys.executable} -c "{script}"', {"event": "end"})
    assert (tmp_path / "heard").read_text() == '{"event": "end"}\n'


def without_ends(run):
    """The same run before the first fresh seed has ended."""
    trials = [replace(trial, outcome=None) if trial.source == "confirm" else trial for trial in run.trials]
    return replace(run, trials=trials)


def test_fresh_seeds_name_the_best_as_they_do_in_results(confirmed):
    """The search had preferred the other rate, with 97 %."""
    (told,) = notifications.news(confirmed, without_ends(confirmed), False)
    assert told["trial"]["id"] == confirmed.trials[1].id, "the trial of the search that stands for 5e-4"
    assert f"new best {confirmed.trials[1].id} with 94.50 % validation accuracy, mean of 3 fresh seeds" in told["text"]
    assert events(confirmed, confirmed) == events(without_ends(confirmed), confirmed) == []
    (end,) = notifications.news(confirmed, None, True)
    assert end["trial"]["id"] == confirmed.trials[1].id
    assert "Best: " in (text := printed.show([confirmed], "md"))
    assert confirmed.trials[1].id in text.splitlines()[0]


def test_a_best_that_fresh_seeds_confirm_is_no_new_one(confirmed):
    """Its value is lower than in the search, and it is the same configuration."""
    better = [
        replace(trial, epochs=[row | {"val_accuracy": 0.96} for row in trial.epochs])
        if trial.source == "confirm" and trial.config == confirmed.trials[3].config
        else trial
        for trial in confirmed.trials
    ]
    run = replace(confirmed, trials=better)
    assert winner(run) == run.trials[3]
    assert events(run, without_ends(run)) == []


def test_the_best_on_several_seeds_is_told_with_their_mean(seeded):
    (end,) = notifications.news(seeded, None, True)
    assert f"best {seeded.trials[5].id} with 94.83 % validation accuracy, mean of 3 seeds" in end["text"]
