"""The command line as a user runs it: output, JSON, and exit codes."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.model_folders import Model
from tests.app.processes import footnote

pytestmark = pytest.mark.usefixtures("encoder_model", "small_generator_model")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "pump.md").write_text(
        "# Pump P3\n\nThe pump P3 moves 12 litres a minute. Oil it every 90 days."
    )
    (folder / "hose.rst").write_text("Hose\n====\n\nThe hose is 20 metres long.\n")
    return folder


def test_from_files_to_an_answer_without_any_network(tmp_path: Path, docs: Path) -> None:
    home = tmp_path / "home"
    first = footnote(home, "ingest", str(docs), "--uri-prefix", "https://docs.example/", "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["stored"] == 2
    again = footnote(home, "ingest", str(docs), "--uri-prefix", "https://docs.example/")
    assert again.returncode == 0
    assert "unchanged" in again.stdout
    found = footnote(home, "search", "How long is the hose?", "--json")
    assert json.loads(found.stdout)["hits"][0]["uri"] == "https://docs.example/hose.rst"
    shown = footnote(home, "ask", "How often must the pump P3 be oiled?")
    assert shown.returncode == 0, shown.stderr
    assert "90 days" in shown.stdout
    assert "[1] Pump P3" in shown.stdout
    jobs = json.loads(footnote(home, "jobs", "list", "--json").stdout)
    assert [job["state"] for job in jobs] == ["succeeded"]
    listed = json.loads(footnote(home, "documents", "list", "--address", "HOSE", "--json").stdout)
    assert [(one["uri"], one["state"]) for one in listed] == [("https://docs.example/hose.rst", "ready")]
    assert listed[0]["id"] in footnote(home, "documents", "list").stdout
    doctor = footnote(home, "doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout
    assert {finding["subject"] for finding in json.loads(doctor.stdout)} >= {"encoder", "generator", "index"}


def test_a_file_that_fails_is_listed_and_the_exit_code_says_so(tmp_path: Path, docs: Path) -> None:
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    result = footnote(tmp_path / "home", "ingest", str(docs))
    assert result.returncode == 1
    assert "broken.pdf" in result.stdout
    assert "stored" in result.stdout


def test_wrong_use_exits_with_2_and_failures_with_1(tmp_path: Path) -> None:
    home = tmp_path / "home"
    alone = subprocess.run([sys.executable, "-m", "app.cli.program", "ask"], capture_output=True, check=False)
    assert alone.returncode == footnote(home, "ask").returncode == 2
    assert footnote(home, "ask", "   ").returncode == 2
    assert footnote(home, "no-such-command").returncode == 2
    nothing = footnote(home, "search", "anything")
    assert nothing.returncode == 1
    assert "footnote ingest" in nothing.stderr
    unknown = footnote(home, "doctor", FOOTNOTE_PROT="1")
    assert unknown.returncode == 1
    assert "FOOTNOTE_PROT" in unknown.stderr
    assert "Traceback" not in nothing.stderr + unknown.stderr


def test_the_doctor_names_what_is_broken(tmp_path: Path, encoder_model: Model) -> None:
    result = footnote(tmp_path / "home", "doctor", "--json", FOOTNOTE_GENERATOR="path:/nowhere")
    assert result.returncode == 1
    broken = [finding for finding in json.loads(result.stdout) if finding["level"] == "broken"]
    assert [finding["subject"] for finding in broken] == ["generator"]


class Models(BaseHTTPRequestHandler):
    """A server of models that says how it is."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/v1/models" else 404)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        return


def test_the_doctor_asks_a_server_of_a_generator_how_it_is(tmp_path: Path, encoder_model: Model) -> None:
    def generator(address: str) -> tuple[str, str]:
        done = footnote(tmp_path / "home", "doctor", "--json", FOOTNOTE_GENERATOR_ADDRESS=address)
        assert "secret" not in done.stdout + done.stderr
        (found,) = (one for one in json.loads(done.stdout) if one["subject"] == "generator")
        return found["level"], found["found"]

    with ThreadingHTTPServer(("127.0.0.1", 0), Models) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        address = f"http://127.0.0.1:{server.server_port}"
        for status, expected in ((200, "fine"), (401, "broken"), (503, "broken")):
            Models.status = status
            level, found = generator(address)  # without a path, /v1 is meant
            assert (level, f"{address}/v1, which answers with status {status}" in found) == (expected, True)
        server.shutdown()
        serving.join()
    level, found = generator(address)
    assert (level, "which does not answer" in found) == ("broken", True)
    level, found = generator("http://name:secret@127.0.0.1/v1")
    assert (level, "the address holds a user or a password" in found) == ("broken", True)
