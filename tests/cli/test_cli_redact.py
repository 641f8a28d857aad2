# SPDX-License-Identifier: Apache-2.0
"""``ffe-otel redact``: a filter that lets no secret through, and reports that show none."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from ffe_otel.redaction import load_catalogue

CATALOGUE = load_catalogue()
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcFAKE\nFAKE+fake==\n-----END EC PRIVATE KEY-----"
SECRETS = ("hunter2-fake", "DEMOFAKEKEY01234", "MHcFAKE", "FAKE+fake")
LOG = f"""start
GET /query?apikey={SECRETS[1]}&limit=5
key {PEM} loaded
login password={SECRETS[0]} failed
"""
CLEAN = """start
GET /query?apikey=[redacted:api-key]&limit=5
key [redacted:pem-private-key] loaded
login password=[redacted:password] failed
"""


@pytest.fixture
def log(home):
    Path("app.log").write_text(LOG)
    Path("clean.log").write_text(CLEAN)
    return Path("app.log")


def shows_a_secret(result) -> bool:
    return any(secret in result.output for secret in SECRETS)


class TestFilter:
    def test_a_file_comes_out_clean(self, cli, log):
        result = cli("redact", "app.log")
        assert (result.exit_code, result.stdout, result.stderr) == (0, CLEAN, "")

    def test_standard_input_and_several_files(self, cli, log):
        assert cli("redact", input=LOG).stdout == CLEAN
        assert cli("redact", "app.log", "-", "clean.log", input=LOG).stdout == CLEAN * 3

    def test_a_clean_text_stays(self, cli, log):
        assert cli("redact", "clean.log").stdout == CLEAN

    def test_bytes_that_are_no_text_stay(self, cli, log):
        log.write_bytes(b"\xff\xfe\x00 caf\xe9 \xc3\xa9\r\npassword=hunter2-fake\r\n\xed\xa0\x80")
        # A byte order mark would say that it is UTF-16.
        log.write_bytes(b"x" + log.read_bytes())
        expected = b"x\xff\xfe\x00 caf\xe9 \xc3\xa9\r\npassword=[redacted:password]\r\n\xed\xa0\x80"
        assert cli("redact", "app.log").stdout_bytes == expected

    def test_gzip_is_unpacked(self, cli, log):
        packed = gzip.compress(LOG.encode()) + gzip.compress(LOG.encode())
        log.write_bytes(packed)
        assert cli("redact", "app.log").stdout == CLEAN * 2
        assert cli("redact", input=packed).stdout == CLEAN * 2

    def test_a_long_file_comes_out_clean(self, cli, log):
        filler = "".join(f"cycle {n} took {n % 97} ms\n" for n in range(5_000))
        log.write_text((filler + LOG) * 4 + "x" * 1_500_000 + f" {LOG}")
        expected = (filler + CLEAN) * 4 + "x" * 1_500_000 + f" {CLEAN}"
        assert cli("redact", "app.log").stdout == expected

    def test_a_secret_longer_than_memory_allows_takes_its_line_with_it(self, cli, log):
        log.write_text(f"password={'s' * 3_000_000} tail\nnext\n")
        assert cli("redact", "app.log").stdout == "password=[redacted:password]\nnext\n"

    def test_lines_come_out_when_they_came_in(self, start):
        process = start("redact", stdin=subprocess.PIPE)
        for line, clean in {
            "one\n": "one\n",
            "password=x1\n": "password=[redacted:password]\n",
        }.items():
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == clean
        # The block waits for its end; the line that is not finished waits for the rest.
        process.stdin.write("-----BEGIN EC PRIVATE KEY-----\nMHcFAKE\n")
        process.stdin.flush()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.stdin.write("FAKE+fake\n-----END EC PRIVATE KEY-----\npass")
        process.stdin.flush()
        assert process.stdout.readline() == "[redacted:pem-private-key]\n"
        out, _ = process.communicate("word=x1\n", timeout=30)
        assert out == "password=[redacted:password]\n"
        assert process.returncode == 0

    def test_whoever_reads_may_go_away(self, start, log):
        log.write_text(LOG * 20_000)
        process = start("redact", "app.log")
        assert process.stdout.readline() == "start\n"
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait(30) == 1


class TestConfiguration:
    def test_what_the_configuration_and_the_environment_name_is_hidden(
        self, cli, home, monkeypatch
    ):
        rule = (
            "{id: house, kind: shape, description: d, why: w, anchors: [hk-], pattern: 'hk-[0-9]'}"
        )
        Path("rules.yaml").write_text(f"rules: [{rule}]\n")
        Path("ffe_otel.yaml").write_text(
            "redaction: {rules_file: rules.yaml, disabled_rules: [jwt], secrets: [plain-old]}\n"
        )
        monkeypatch.setenv("BROKER_API_KEY", "from-the-environment-9")
        text = "hk-1 plain-old from-the-environment-9 eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJmIn0.c2ln\n"
        assert cli("redact", input=text).stdout == (
            "[redacted:house] [redacted:literal] [redacted:literal] "
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJmIn0.c2ln\n"
        )

    @pytest.mark.parametrize("command", [("redact",), ("redact", "rules")])
    def test_rules_that_cannot_be_used_are_an_error(self, cli, home, command):
        Path("rules.yaml").write_text("rules:\n  - id: house\n    kind: [\n")
        Path("ffe_otel.yaml").write_text("redaction: {rules_file: rules.yaml}\n")
        result = cli(*command, input=LOG)
        assert result.exit_code == 2
        assert "rules.yaml" in result.stderr
        assert "line 4" in result.stderr
        assert result.stdout == ""


class TestExplain:
    def test_every_finding_says_where_which_and_why(self, cli, log):
        result = cli("redact", "--explain", "app.log")
        assert result.exit_code == 0
        assert not shows_a_secret(result)
        assert result.stdout.splitlines()[:6] == [
            "app.log:2:19 api-key (secret)",
            "    GET /query?apikey=[redacted:api-key]&limit=5",
            "    " + why("api-key"),
            "app.log:3:5 pem-private-key (secret)",
            "    key [redacted:pem-private-key] loaded",
            "    " + why("pem-private-key"),
        ]
        assert "app.log:7:16 password (secret)" in result.stdout

    def test_secrets_beside_a_secret_are_masked_too(self, cli):
        result = cli("redact", "--explain", input=f"password={SECRETS[0]} api_key={SECRETS[1]}\n")
        assert (
            result.stdout.count("    password=[redacted:password] api_key=[redacted:api-key]") == 2
        )
        assert not shows_a_secret(result)

    def test_long_lines_are_cut_and_control_characters_are_left_out(self, cli):
        result = cli("redact", "--explain", input=f"{'a ' * 99}\x1b[31mpassword=x1 {'b ' * 99}\n")
        around = result.stdout.splitlines()[1]
        assert len(around) < 160
        assert around.startswith("    …")
        assert around.endswith("…")
        assert "\x1b" not in around

    def test_places_are_right_far_into_a_file(self, cli, log):
        log.write_text("filler line\n" * 40_000 + LOG)
        assert "app.log:40007:16 password" in cli("redact", "--explain", "app.log").stdout

    def test_a_secret_in_a_file_name_is_masked(self, cli, home):
        path = Path(f"token={SECRETS[1]}.log")
        path.write_text(LOG)
        result = cli("redact", "--explain", str(path))
        assert "=[redacted:token-value]:2:19 api-key" in result.stdout
        assert not shows_a_secret(result)

    def test_json_has_a_finding_a_line_and_a_summary(self, cli, log):
        result = cli("redact", "--explain", "--json", "app.log")
        first, *_, summary = map(json.loads, result.stdout.splitlines())
        assert first == {
            "file": "app.log",
            "line": 2,
            "column": 19,
            "rule": "api-key",
            "sensitivity": "secret",
            "why": why("api-key"),
            "around": "GET /query?apikey=[redacted:api-key]&limit=5",
        }
        assert summary == {
            "files": 1,
            "found": 3,
            "rules": {"api-key": 1, "pem-private-key": 1, "password": 1},
            "errors": [],
        }
        assert not shows_a_secret(result)


class TestCheck:
    def test_clean_files_are_fine(self, cli, log):
        result = cli("redact", "--check", "clean.log")
        assert (result.exit_code, result.stdout) == (0, "✓ nothing to redact in 1 file\n")

    def test_secrets_are_counted_by_file_and_rule(self, cli, log):
        log.write_text(LOG + LOG)
        result = cli("redact", "--check", "clean.log", "app.log")
        assert result.exit_code == 1
        assert result.stdout == "✗ app.log: api-key 2, pem-private-key 2, password 2\n"
        assert not shows_a_secret(result)

    def test_a_folder_is_searched_to_the_bottom(self, cli, log):
        below = Path("bundle/a/b")
        below.mkdir(parents=True)
        (below / "app.log.gz").write_bytes(gzip.compress(LOG.encode()))
        (below / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9)
        result = cli("redact", "--check", "bundle")
        assert result.exit_code == 1
        assert result.stdout == (
            "✗ bundle/a/b/app.log.gz: api-key 1, pem-private-key 1, password 1\n"
        )
        assert "2 files" in result.stderr

    def test_what_could_not_be_read_is_no_pass(self, cli, log):
        Path("broken.gz").write_bytes(gzip.compress(LOG.encode())[:-9])
        Path("x.zip").write_bytes(b"PK\x03\x04 packed")
        Path("wide.log").write_bytes(LOG.encode("utf-16"))
        names = ("broken.gz", "x.zip", "wide.log", "missing.log")
        result = cli("redact", "--check", "--json", *names)
        assert result.exit_code == 2
        problems = json.loads(result.stdout.splitlines()[-1])["errors"]
        assert [problem["file"] for problem in problems] == list(names)
        assert "ends too early" in problems[0]["error"]
        assert "zip archive; unpack it first" in problems[1]["error"]
        assert "iconv -f UTF-16" in problems[2]["error"]
        assert "No such file" in problems[3]["error"]
        assert "missing.log: No such file" in result.stderr


class TestErrors:
    def test_other_files_are_still_filtered(self, cli, log):
        result = cli("redact", "missing.log", "app.log")
        assert (result.exit_code, result.stdout) == (2, CLEAN)
        assert "missing.log: No such file or directory" in result.stderr

    def test_folders_are_for_reports(self, cli, log):
        Path("bundle").mkdir()
        result = cli("redact", "bundle")
        assert result.exit_code == 2
        assert "bundle: this is a folder; folders go with --check or --explain" in result.stderr

    def test_what_a_broken_archive_still_gave_is_redacted(self, cli, log):
        log.write_bytes(gzip.compress(LOG.encode())[:-4])
        result = cli("redact", "app.log")
        assert (result.exit_code, result.stdout) == (2, CLEAN)


class TestRules:
    def test_all_rules_are_listed_with_their_state(self, cli, home):
        Path("ffe_otel.yaml").write_text("redaction: {disabled_rules: [jwt]}\n")
        listed = {
            line.split()[1]: line.split()[0] for line in cli("redact", "rules").stdout.splitlines()
        }
        assert set(listed) == {rule.id for rule in (*CATALOGUE.rules, *CATALOGUE.off)}
        assert (listed["jwt"], listed["api-key"], listed["financial"]) == ("off", "✓", "off")

    def test_json_has_every_field(self, cli, home):
        rules = json.loads(cli("redact", "rules", "--json").stdout)["rules"]
        rule = next(rule for rule in rules if rule["id"] == "api-key")
        assert rule.keys() == {"id", "kind", "sensitivity", "on", "description", "why"}
        assert rule["on"] is True

    def test_the_examples_hold(self, cli, home):
        result = cli("redact", "rules", "--test")
        assert result.exit_code == 0
        assert f"examples of {len(CATALOGUE.rules) + len(CATALOGUE.off)} rules" in result.stdout

    def test_an_example_that_does_not_hold_is_shown(self, cli, home):
        Path("rules.yaml").write_text(
            "rules:\n  - {id: house, kind: shape, description: d, why: w, anchors: [hk-],"
            " pattern: 'hk-[0-9]{2}', match: ['«hk-12»', 'a «hk-1»'], no_match: [hk-34]}\n"
        )
        Path("ffe_otel.yaml").write_text("redaction: {rules_file: rules.yaml}\n")
        result = cli("redact", "rules", "--test")
        assert result.exit_code == 1
        assert result.stdout.splitlines() == [
            "✗ house: match 2: 'a [redacted:house]' was expected, 'a hk-1' came out",
            "✗ house: no_match 1: 'hk-34' should stay, '[redacted:house]' came out",
        ]
        rules = json.loads(cli("redact", "rules", "--test", "--json").stdout)["rules"]
        assert [len(rule["failures"]) for rule in rules if rule["id"] in {"house", "jwt"}] == [0, 2]


def why(rule_id: str) -> str:
    rule = next(rule for rule in CATALOGUE.rules if rule.id == rule_id)
    return f"{rule.description}. {rule.why}"
