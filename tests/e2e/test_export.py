"""The export in targets of others."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from target_promoter.report.export import STREAMS
from tests.conftest import Postgres
from tests.e2e.environments import TARGET_JSONL, TARGET_POSTGRES, programs
from tests.program import CALLS, identify
from tests.programs import warm_command
from tests.report.test_export import fill, records
from tests.tap import sync


def test_a_target_of_others_takes_it(config: dict[str, Any], tmp_path: Path) -> None:
    """Piped into target-jsonl from the registry, the second time with its state, every row comes once."""
    target = programs(TARGET_JSONL) / "target-jsonl"
    fill(config)
    (tmp_path / "target.json").write_text(json.dumps({"destination_path": str(tmp_path)}), encoding="utf-8")
    state = tmp_path / "state.json"
    for _ in range(2):
        whole = subprocess.run(
            warm_command("export", "--state", state, config=config, cwd=tmp_path), capture_output=True, check=True
        )
        taken = subprocess.run(
            [target, "--config", tmp_path / "target.json"], input=whole.stdout, capture_output=True, check=True
        )
        state.write_bytes(taken.stdout)
    (surveys,) = tmp_path.glob("surveys*.jsonl")
    assert len(surveys.read_text(encoding="utf-8").splitlines()) == 3
    assert len(list(tmp_path.glob("*.jsonl"))) == len(STREAMS)


def test_a_warehouse_has_each_row_by_its_key(config: dict[str, Any], postgres: Postgres, tmp_path: Path) -> None:
    """Piped into target-postgres from the registry; the second time only what is new goes there, and replaces."""
    target = programs(TARGET_POSTGRES) / "target-postgres"
    url = make_url(postgres.new_database())
    options = {"host": url.host, "port": url.port, "user": "postgres", "password": "any", "database": url.database}
    (tmp_path / "target.json").write_text(json.dumps({**options, "default_target_schema": "nps"}), encoding="utf-8")
    state = tmp_path / "state.json"

    def pipe() -> set[str]:
        exporting = warm_command("export", "--state", state, config=config, cwd=tmp_path)
        whole = subprocess.run(exporting, capture_output=True, check=True)
        loading = [str(target), "--config", str(tmp_path / "target.json")]
        state.write_bytes(subprocess.run(loading, input=whole.stdout, capture_output=True, check=True).stdout)
        return {one["message_id"] for one in records(list(map(json.loads, whole.stdout.splitlines())), "surveys")}

    fill(config)
    assert pipe() == {"t-1", "t-2", "t-3"}
    sync(config, [CALLS, identify("9", "new@example.com")])
    assert pipe() == {"t-3"}
    with psycopg.connect(url.render_as_string(hide_password=False)) as warehouse:
        rows = warehouse.execute("SELECT message_id, outcome, email FROM nps.surveys ORDER BY message_id").fetchall()
        tables = warehouse.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'nps'").fetchone()
    assert rows == [
        ("t-1", "sent", "ann@example.com"),
        ("t-2", "throttled", "ann@example.com"),
        ("t-3", "sent", "new@example.com"),
    ]
    assert tables == (len(STREAMS),)
